"""The embedded model's vocabulary: 2,048 byte-pair tokens, made from the generator's own text.

What is always the same (the passages of the system message) is one token each, so that prompts are short. Words of
the phrasings and of the code are one token, with and without the space before them. Words that questions are *about*
are cut into pieces which do not depend on the space before, so that copying a word means copying its tokens. Digits are
single.
"""

import calendar
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator

import regex
import tiktoken

from ostinato.harmony import Channel, DropAnalysis, Message, ReasoningEffort, Role, SystemContent, Tokenizer, render
from ostinato.sandbox.interface import Limits
from ostinato.training.episodes import AFTERWARDS, INSTRUCTIONS, PYTHON, Episode, episodes, plan
from ostinato.training.kinds import PYTHON_KINDS
from ostinato.training.kinds.talk import TALK
from ostinato.training.kinds.units import CONVERSIONS
from ostinato.training.phrasing import Phrase, Split, choose_frame, expand
from ostinato.training.values import Values

SPECIAL_TOKENS = (
    "<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>",
    "<|message|>", "<|call|>",
)  # fmt: skip
WORDS = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|[\r\n]+ *|\s"
SIZE = 2048
PIECES = 320  # byte-pair merges for words that have no token of their own
LONGEST_PIECE = 4
HEADERS = (" to=python", " to=assistant")
SLOT = re.compile(r"\{\w+\}")


def make_tokenizer(seed: int = 0) -> Tokenizer:
    """Make the vocabulary; the same seed gives the same one."""
    rng = random.Random(seed)
    wholes = [*system_passages(), *HEADERS]
    pattern = "|".join([*(re.escape(text) for text in sorted(wholes, key=len, reverse=True)), WORDS])
    ranks = {bytes([byte]): byte for byte in range(256)}
    for piece in learn_pieces(value_words(rng), PIECES):
        ranks.setdefault(piece.encode(), len(ranks))
    whole = Counter(found for text in fixed_texts(rng) for found in regex.findall(WORDS, text))
    room = SIZE - len(SPECIAL_TOKENS)
    for text in [*wholes, *(text for text, _ in whole.most_common())]:
        if len(ranks) < room:
            ranks.setdefault(text.encode(), len(ranks))
    specials = {name: len(ranks) + index for index, name in enumerate(SPECIAL_TOKENS)}
    return Tokenizer(
        tiktoken.Encoding(name="ostinato-nano", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials)
    )


def system_passages() -> list[str]:
    """Return what never changes in the system message, each to become one token: whole passages, and their sentences.

    A passage is what stands between the things that vary (the date and the time limit). Sentences serve a system
    message that is put together in another way.
    """
    found: dict[str, None] = {}
    for effort, tools in itertools.product(ReasoningEffort, ((PYTHON,), ())):
        content = SystemContent(current_date="0000", reasoning_effort=effort, tools=tools)
        text = _plain_text(Message.system(content)).replace(f"{Limits().seconds:.1f}", "0000")
        for passage in text.split("0000"):
            if tools:
                found[passage] = None
            for line in passage.split("\n"):
                found.update(dict.fromkeys(part for part in re.split(r"(?<=\.)(?= [A-Zp])", line) if part))
    return list(found)


def _plain_text(message: Message) -> str:
    """Return the text of a system message as any vocabulary would render it."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    specials = {name: 256 + index for index, name in enumerate(SPECIAL_TOKENS)}
    encoding = tiktoken.Encoding(name="bytes", pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens=specials)
    tokenizer = Tokenizer(encoding)
    ids = render([message], tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE)
    return tokenizer.decode(ids[ids.index(tokenizer.message) + 1 : -1])


def value_words(rng: random.Random, count: int = 20_000) -> list[str]:
    """Draw words that questions may be about."""
    values = Values(rng, Split.TRAIN)
    return [values.word() for _ in range(count)]


def learn_pieces(words: Iterable[str], count: int) -> list[str]:
    """Learn byte-pair merges: again and again the most frequent pair of neighbours becomes a piece."""
    counted = Counter(words)
    split = {word: list(word) for word in counted}
    pieces: list[str] = []
    while len(pieces) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in split.items():
            for pair in itertools.pairwise(parts):
                if len("".join(pair)) <= LONGEST_PIECE:
                    pairs[pair] += counted[word]
        best = pairs.most_common(1)[0][0]
        pieces.append("".join(best))
        split = {word: _merge(parts, best) for word, parts in split.items()}
    return pieces


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def fixed_texts(rng: random.Random) -> Iterator[str]:
    """Yield the wording of questions, thoughts, code and answers, without the values, as often as it matters."""
    for phrases in (*(kind.phrases for kind in PYTHON_KINDS), *(talk.phrases for talk in TALK)):
        yield from _worded(phrases, rng)
    for kind in PYTHON_KINDS:
        for effort in ReasoningEffort:
            yield from _without_slots(*[plan(kind, effort)] * 30)
        yield from _without_slots(*[kind.code, kind.answer] * 50)
    for talk in TALK:
        yield from [talk.thought, talk.answer] * 20
    names = [*calendar.month_name, *calendar.month_abbr, *calendar.day_name, *map(str.lower, calendar.month_name)]
    units = [name for source, target, _ in CONVERSIONS for name in (*source, *target)]
    yield from [*names, *(f" {name}" for name in (*names, *units))] * 20
    yield from [*INSTRUCTIONS, "# Instructions", *Role, *Channel, "python", " code", AFTERWARDS] * 50
    stream = episodes(rng, Split.TRAIN)
    yield from (text for _ in range(4000) for text in _punctuation(next(stream)))


def _worded(phrases: Iterable[Phrase], rng: random.Random) -> Iterator[str]:
    for phrase in phrases:
        if not phrase.is_held_out:
            for _ in range(6):
                frame = expand(choose_frame(phrase.form, rng, held_out=False), rng)
                text = frame.replace("{x}", expand(phrase.text, rng))
                yield from _without_slots(text[:1].upper() + text[1:] if rng.random() < 0.5 else text)


def _without_slots(*templates: str) -> Iterator[str]:
    for template in templates:
        yield from SLOT.split(template.replace("{{", "").replace("}}", ""))


def _punctuation(episode: Episode) -> Iterator[str]:
    """Yield the punctuation of lists and code as it occurs around values."""
    for message in episode.messages:
        if message.author.role is not Role.SYSTEM:
            yield from regex.findall(r" ?[^\s\p{L}\p{N}]+|[\r\n]+ *", message.text)
