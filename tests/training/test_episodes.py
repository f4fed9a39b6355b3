"""What the embedded model learns from must be true, and must not hold what it is tested on."""

import random
import re
from itertools import islice

import pytest

from ostinato.harmony import Channel, ReasoningEffort, Role, Tokenizer, render_training
from ostinato.training.episodes import PYTHON, episodes, python_episode, run
from ostinato.training.evaluate import contains, held_out_questions, wilson
from ostinato.training.kinds import PYTHON_KINDS, Kind
from ostinato.training.phrasing import Split, expand
from ostinato.training.values import is_for_test


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


@pytest.mark.parametrize("kind", PYTHON_KINDS, ids=lambda kind: kind.name)
def test_held_out_phrases_are_never_used_in_training(kind: Kind) -> None:
    phrases = (*kind.phrases.nouns, *kind.phrases.commands, *kind.phrases.sentences)
    held_out = [phrase[1:] for phrase in phrases if phrase.startswith("~") and "[" not in phrase]
    long = [phrase for phrase in held_out if len(re.sub(r"{\w+}", " ", phrase).split()) > 3]
    asked = [python_episode(kind, random.Random(seed), Split.TRAIN).question.lower() for seed in range(150)]

    for phrase in long:
        wording = re.compile(".+?".join(map(re.escape, re.split(r"{\w+}", phrase))))
        assert not [question for question in asked if wording.search(question)]


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
