"""What the embedded model learns from must be true, and must not hold what it is tested on."""

import random
import re
from itertools import islice
from pathlib import Path

import pytest

from ostinato.harmony import Channel, ReasoningEffort, Role, Tokenizer, render_training
from ostinato.training import phrasing
from ostinato.training.episodes import PYTHON, episodes, python_episode, run
from ostinato.training.evaluate import contains, held_out_questions, wilson
from ostinato.training.kinds import PYTHON_KINDS, Kind
from ostinato.training.kinds.talk import TALK, Talk
from ostinato.training.phrasing import Phrase, Split, ask, expand, load_phrases
from ostinato.training.values import is_for_test

PHRASES = Path(phrasing.__file__).parent / "phrases"


def code_of(episode: object) -> str:
    return next(message.text for message in episode.messages if message.recipient == "python")  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", PYTHON_KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("split", Split)
def test_every_kind_asks_in_every_split_and_its_answer_is_what_the_code_prints(kind: Kind, split: Split) -> None:
    for seed in range(8):
        episode = python_episode(kind, random.Random(seed), split)

        assert "{" not in episode.question
        assert episode.messages[-1].channel == Channel.FINAL
        assert contains(episode.messages[-1].text, episode.expected)
        shown = next(message.text for message in episode.messages if message.author.role == Role.TOOL)
        assert shown == run(code_of(episode))


def test_no_test_question_occurs_in_training() -> None:
    training = {
        (e.kind, code_of(e)) for e in islice(episodes(random.Random(1), Split.TRAIN), 3000) if e.topic != "talk"
    }

    for split in (Split.VALUES, Split.PHRASINGS):
        tested = {(e.kind, code_of(e)) for e in held_out_questions(split, 300, seed=2) if e.topic != "talk"}
        assert tested.isdisjoint(training)
        assert all(is_for_test(f"{kind} {code}") for kind, code in tested)


@pytest.mark.parametrize("kind", [*PYTHON_KINDS, *TALK], ids=lambda kind: kind.name)
def test_phrases_are_held_out_and_training_never_draws_them(kind: Kind | Talk) -> None:
    held_out = [phrase for phrase in kind.phrases if phrase.is_held_out]
    slots = {slot: "" for phrase in kind.phrases for slot in re.findall(r"{(\w+)}", phrase.text)}
    lone = Phrase("sentences", "the only one left", is_held_out=False)

    assert 0 < len(held_out) < len(kind.phrases) / 2
    assert "the only one left" in ask([*held_out, lone], slots, random.Random(0), Split.TRAIN).lower()
    with pytest.raises(IndexError):
        ask(held_out, slots, random.Random(0), Split.VALUES)


@pytest.mark.parametrize("path", sorted(PHRASES.iterdir()), ids=lambda path: path.stem)
def test_every_phrase_is_well_formed(path: Path) -> None:
    phrases = load_phrases(path.stem.replace("_", " "))

    for phrase in phrases:
        expanded = {expand(phrase.text, random.Random(seed)) for seed in range(5)}
        assert not any(set(text) & set("[]|") for text in expanded), phrase


def test_no_file_of_phrases_lacks_its_kind() -> None:
    assert {path.stem for path in PHRASES.iterdir()} == {k.name.replace(" ", "_") for k in (*PYTHON_KINDS, *TALK)}


def test_thinking_is_longer_with_more_effort(tokenizer: Tokenizer) -> None:
    lengths: dict[ReasoningEffort, list[int]] = {effort: [] for effort in ReasoningEffort}
    for episode in islice(episodes(random.Random(4), Split.TRAIN), 300):
        thoughts = [m for m in episode.messages if m.channel == Channel.ANALYSIS and m.recipient is None]
        lengths[episode.effort].append(sum(len(tokenizer.encode(m.text)) for m in thoughts))

    means = [sum(lengths[effort]) / len(lengths[effort]) for effort in ReasoningEffort]
    assert means[0] * 3 < means[1] * 2 < means[2]


def test_the_system_message_is_a_handful_of_tokens(tokenizer: Tokenizer) -> None:
    episode = next(e for e in episodes(random.Random(5), Split.TRAIN) if e.topic != "talk")

    ids, _ = render_training(episode.messages[:1], tokenizer)

    assert len(ids) < 30
    assert PYTHON.description is not None
    assert tokenizer.decode(ids).count("Python code") == PYTHON.description.count("Python code")


def test_choices_nest() -> None:
    assert {expand("[a|b[c|d]]", random.Random(seed)) for seed in range(40)} == {"a", "bc", "bd"}


@pytest.mark.parametrize(
    ("answer", "expected", "is_right"),
    [
        ("The product is 42.", "42", True),
        ("The product is 142.", "42", False),
        ("The product is 42.5.", "42", False),
        ("The product is -42.", "42", False),
        ("Sorted: [1, 2, 3]", "[1, 2, 3]", True),
        ("Reversed: ananab", "ananab", True),
        ("Reversed: ananabs", "ananab", False),
    ],
)
def test_an_answer_is_right_if_it_holds_the_value_and_not_a_part_of_another(
    answer: str, expected: str, is_right: bool
) -> None:
    assert contains(answer, expected) == is_right


def test_the_interval_of_a_share_never_leaves_zero_to_one() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10)[1] == pytest.approx(1.0)
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-3)
