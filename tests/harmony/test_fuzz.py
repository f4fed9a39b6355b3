"""A million ids, most of them nonsense: the parser never raises, loses none, and says the text of each message.

`make fuzz` tries many more. A failure names the seed and the number of its stream, which repeat it.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import pytest
from tests.harmony import test_parity, test_parser, test_parser_recovery
from tests.harmony.conftest import Spell

from ostinato.harmony import (
    Channel,
    Delta,
    DropAnalysis,
    Message,
    Output,
    ParserState,
    Repair,
    Role,
    StreamParser,
    Tokenizer,
    render,
)

IDS = 200_000  # for each kind of stream
NANO = Path(__file__).parents[2] / "engine" / "nano" / "weights" / "vocabulary.json"
WRITTEN = (
    *test_parser.GENERATIONS.values(),
    *(text for text, _ in test_parser_recovery.CASES.values()),
    test_parser.CONVERSATION,
)
OUTSIDE = (-1, -(2**31), -(2**70), 2**31, 2**32 - 1, 2**32, 2**63, 2**64, 2**70)
WORDS = (*Role, *Channel, "to=", "functions.x", "<|", "json", "code", "🎵", "é")
ROLES = (Role.ASSISTANT, Role.ASSISTANT, None, Role.USER)

Draw = Callable[[random.Random, Tokenizer], list[int]]


def uniform(rng: random.Random, tokenizer: Tokenizer) -> list[int]:
    """Any ids of the vocabulary, and some of its holes."""
    return [rng.randrange(tokenizer.vocab_size) for _ in range(rng.randint(1, 400))]


def special(rng: random.Random, tokenizer: Tokenizer) -> list[int]:
    """Mostly control tokens, and the words of headers."""
    often = [tokenizer.start, tokenizer.end, tokenizer.message, tokenizer.channel, tokenizer.constrain, tokenizer.call]
    ids: list[int] = []
    while len(ids) < 200:
        match rng.randrange(8):
            case 0 | 1 | 2 | 3:
                ids.append(rng.choice(often))
            case 4:
                ids.append(rng.choice(control(tokenizer)))
            case _:
                ids += tokenizer.encode(rng.choice(("", " ")) + rng.choice(WORDS))
    return ids


def mutated(rng: random.Random, tokenizer: Tokenizer) -> list[int]:
    """Generations of the other tests, with ids deleted, doubled, swapped, inserted and replaced."""
    ids = [number for text in rng.choices(WRITTEN, k=rng.randint(1, 4)) for number in spelt(text, tokenizer)]
    for _ in range(rng.randint(0, 12)):
        if not ids:
            break
        here, there = rng.randrange(len(ids)), rng.randrange(len(ids))
        match rng.randrange(5):
            case 0:
                del ids[here : here + rng.randint(1, 4)]
            case 1:
                ids[here:here] = ids[here : here + rng.randint(1, 8)]
            case 2:
                ids[here], ids[there] = ids[there], ids[here]
            case 3:
                ids.insert(here, rng.choice(ids))
            case _:
                ids[here] = rng.choice([rng.randrange(tokenizer.vocab_size), rng.choice(control(tokenizer))])
    return ids


def outside(rng: random.Random, tokenizer: Tokenizer) -> list[int]:
    """Ids that no vocabulary has among the others."""
    return [rng.choice(OUTSIDE) if rng.random() < 0.2 else number for number in mutated(rng, tokenizer)]


def broken_bytes(rng: random.Random, tokenizer: Tokenizer) -> list[int]:
    """Content of single bytes, so that characters are cut everywhere, also by the end of the message."""
    ids = list(spelt("<|channel|>final<|message|>", tokenizer))
    text = "🎵é漢字\u202f" * rng.randint(1, 20)
    ids += [number for byte in text.encode() for number in tokenizer.encode(chr(byte))] if rng.random() < 0.3 else []
    single = [tokenizer.encoding.encode_single_token(bytes([byte])) for byte in range(256)]
    ids += [single[byte] for byte in text.encode()]
    for _ in range(rng.randint(0, 20)):
        ids.insert(rng.randrange(3, len(ids) + 1), rng.choice([*single, tokenizer.message, tokenizer.end]))
    return ids


@pytest.mark.parametrize("draw", [uniform, special, mutated, outside, broken_bytes])
@pytest.mark.parametrize("vocabulary", ["o200k_harmony", "nano"])
def test_any_ids_become_messages_and_repairs(
    draw: Draw, vocabulary: str, tokenizer: Tokenizer, fuzz_seed: int, fuzz_factor: int
) -> None:
    if vocabulary == "nano":
        tokenizer = Tokenizer.from_file(NANO)
    fed = streams = 0
    while fed < IDS * fuzz_factor // 2:
        seed = f"{fuzz_seed} {draw.__name__} {vocabulary} {streams}"
        rng = random.Random(seed)
        ids = draw(rng, tokenizer)
        check(ids, rng.choice(ROLES), tokenizer, seed)
        fed += len(ids)
        streams += 1


@pytest.mark.parametrize("name", test_parser.GENERATIONS)
def test_a_generation_may_be_cut_anywhere(name: str, tokenizer: Tokenizer, spell: Spell) -> None:
    ids = spell(test_parser.GENERATIONS[name])

    for length in range(len(ids) + 1):
        check(ids[:length], Role.ASSISTANT, tokenizer, f"the first {length}")


@pytest.mark.parametrize("name", test_parity.CONVERSATIONS)
def test_a_conversation_may_be_cut_anywhere(name: str, tokenizer: Tokenizer) -> None:
    ids = render(test_parity.CONVERSATIONS[name], tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE)

    for length in range(len(ids) + 1):
        check(ids[:length], None, tokenizer, f"the first {length}")


def check(ids: Sequence[int], role: Role | None, tokenizer: Tokenizer, seed: str) -> None:
    """Check all that holds for every stream."""
    parser = StreamParser(tokenizer, role=role)
    fed = fed_to(parser, ids)
    outputs = fed + list(parser.finish())

    prompt = [] if role is None or not ids else [tokenizer.start, *tokenizer.encode(role)]
    assert ids_of(outputs) == prompt + list(ids), seed
    assert parser.position == len(ids), seed
    assert parser.state == (ParserState.BETWEEN if ids or role is None else ParserState.HEADER), seed
    check_text(outputs, tokenizer, seed)
    for output in outputs:
        if isinstance(output, Repair):
            assert 0 <= output.position <= len(ids), seed
        elif isinstance(output, Message) and role is not None:
            assert output.author.role == role, seed
    cut = random.Random(seed).randint(0, len(ids))
    before = fed_to(StreamParser(tokenizer, role=role), ids[:cut])
    assert before == fed[: len(before)], seed


def check_text(outputs: Iterable[Output], tokenizer: Tokenizer, seed: str) -> None:
    """Check that the deltas of a message are its text, and are what its ids after `<|message|>` decode to."""
    joined = ""
    voices = set()
    for output in outputs:
        if isinstance(output, Delta):
            joined += output.text
            voices.add((output.channel, output.recipient))
        elif isinstance(output, Message):
            assert joined == output.text, seed
            assert voices <= {(output.channel, output.recipient)}, seed
            joined = ""
            voices = set()
            ids = list(output.ids or ())
            if tokenizer.message in ids:
                content = ids[ids.index(tokenizer.message) :]
                assert output.text == tokenizer.decode(each for each in content if not tokenizer.is_special(each)), seed
    assert joined == "", seed


def fed_to(parser: StreamParser, ids: Iterable[int]) -> list[Output]:
    return [output for number in ids for output in parser.feed(number)]


def ids_of(outputs: Iterable[Output]) -> list[int]:
    return [number for output in outputs if not isinstance(output, Delta) for number in output.ids or ()]


@cache
def spelt(text: str, tokenizer: Tokenizer) -> tuple[int, ...]:
    return tuple(tokenizer.encoding.encode(text, allowed_special="all"))


@cache
def control(tokenizer: Tokenizer) -> tuple[int, ...]:
    return tuple(tokenizer.special_ids().values())
