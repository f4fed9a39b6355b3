"""A paraphrase grammar: many ways of asking the same thing, some of them kept for the test.

A phrase is text with `[this|that]` choices, which nest, and `{name}` slots. A phrase that starts with `~` is held out:
it is never used in training, only to measure how the model does on phrasings it has not seen. The same goes for frames,
the sentences around a phrase.
"""

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

HELD_OUT = "~"


class Split(StrEnum):
    """Which questions are made: training ones, new values in seen phrasings, or new values in new phrasings."""

    TRAIN = "train"
    VALUES = "values"
    PHRASINGS = "phrasings"

    @property
    def new_values(self) -> bool:
        """Whether values must be such as never occur in training."""
        return self is not Split.TRAIN

    @property
    def new_phrasing(self) -> bool:
        """Whether the phrasing must be one that never occurs in training."""
        return self is Split.PHRASINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """Ways to ask for one thing: as noun phrases, as commands, and as whole sentences."""

    nouns: Sequence[str] = ()
    commands: Sequence[str] = ()
    sentences: Sequence[str] = ()


NOUN_FRAMES = (
    "[what is|what's|whats] {x}?",
    "[calculate|compute|find|determine|work out|figure out|evaluate|get] {x}[.|]",
    "[please|kindly] [calculate|compute|find|determine|work out|figure out] {x}[.|]",
    "[can|could|would] you [please |][calculate|compute|find|tell me|give me|work out|determine] {x}[ for me|]?",
    "[tell me|give me|show me|let me know] {x}[, please|.| please|]",
    "[i need|i want|i'd like|i would like] [to know |to find |to have |]{x}[.|]",
    "[do you know|any idea|can you say] [what's |what is |]{x}[ is|]?",
    "{x}[?|, please|=?| =|]",
    "[hi|hello|hey][,|!] [what is|what's|can you find|i need] {x}[?|]",
    "what [would|will|does] {x} [be|come to|come out as]?",
    "[use python|use the tool|with python,|using python,|in python,] [to find|work out|calculate|compute] {x}[.|]",
    "[my homework asks for|the exercise asks for|my teacher wants|my boss wants] {x}[.|. can you help?|]",
    "[i am looking for|i'm looking for|i'm trying to find|i forgot|i wonder about] {x}[.|]",
    "[quick question|question|quick one|one question]: [what is|what's|] {x}?",
    "[help me find|help me work out|help me with|assist me with] {x}[.|]",
    "[just|simply] [give me|tell me|return|print] {x}[.|]",
    "how [big|large|much] is {x}?",
    "~[i'd be grateful for|i'd appreciate] {x}.",
    "~[mind telling me|would you mind giving me] {x}?",
    "~[so,|ok,|right,] [what do you get for|what do we have for] {x}?",
)

COMMAND_FRAMES = (
    "{x}[.|!|]",
    "[please|kindly] {x}[.|]",
    "{x}[ please|, please|, thanks|, thank you].",
    "[can|could|would|will] you [please |]{x}[ for me|]?",
    "[i want you to|i need you to|i'd like you to] {x}[.|]",
    "[i want to|i need to|i have to|i'd like to] {x}[.|. can you help?|. help me.]",
    "[help me|help me to] {x}[.|]",
    "[hi|hello|hey][,|!] [please |can you |could you |]{x}[.|?|]",
    "[use python to|use the tool to|run python to|use code to|write code to] {x}[.|]",
    "[now|next|first], {x}[.|]",
    "[go ahead and|just] {x}[.|]",
    "[your task is to |the task is to |task: |todo: |the exercise: ]{x}[.|]",
    "~[would it be possible to|is it possible to] {x}?",
    "~[let's|let us] {x}[.|]",
)

SENTENCE_FRAMES = (
    "{x}",
    "{x}",
    "{x}",
    "[please tell me|tell me|quick question|question|quick one|i have a question]: {x}",
    "[hi|hello|hey|good morning|good evening][,|!|.] {x}",
    "{x} [thanks|thank you|please help|please|use python|i need this for school|it is urgent][!|.|]",
    "[i was wondering|i wonder|just curious|out of curiosity|help me with this]: {x}",
    "~[my friend asked me this:|someone at work asked:] {x}",
    "~{x} [cheers|much appreciated][!|.]",
)


def choose(options: Sequence[str], rng: random.Random, *, held_out: bool) -> str:
    """Pick a phrase that is held out, or one that is not, and strip the mark.

    Raises:
        IndexError: if there is none of that sort.
    """
    fitting = [option for option in options if option.startswith(HELD_OUT) == held_out]
    return rng.choice(fitting).removeprefix(HELD_OUT)


def expand(phrase: str, rng: random.Random) -> str:
    """Resolve every `[a|b]` choice of `phrase`, innermost first."""
    while (close := phrase.find("]")) >= 0:
        start = phrase.rindex("[", 0, close)
        picked = rng.choice(phrase[start + 1 : close].split("|"))
        phrase = phrase[:start] + picked + phrase[close + 1 :]
    return phrase


def fill(phrase: str, values: Mapping[str, str]) -> str:
    """Put values into the `{name}` slots; text of a value is never read as grammar."""
    return string.Formatter().vformat(phrase, (), values)


def ask(phrases: Phrases, values: Mapping[str, str], rng: random.Random, split: Split) -> str:
    """Word a question: pick a phrase and a frame, dress it up, and fill in the values."""
    forms = [
        (options, frames)
        for options, frames in (
            (phrases.nouns, NOUN_FRAMES),
            (phrases.commands, COMMAND_FRAMES),
            (phrases.sentences, SENTENCE_FRAMES),
        )
        for _ in options  # every phrase is as likely as any other
        if any(option.startswith(HELD_OUT) == split.new_phrasing for option in options)
    ]
    options, frames = rng.choice(forms)
    frame = choose(frames, rng, held_out=False)
    if split.new_phrasing and rng.random() < 0.3:
        frame = choose(frames, rng, held_out=True)
    phrase = choose(options, rng, held_out=split.new_phrasing)
    sentence = expand(frame, rng).replace("{x}", expand(phrase, rng))
    return fill(dress(" ".join(sentence.split()), rng), values)


def dress(sentence: str, rng: random.Random) -> str:
    """Vary casing and punctuation, and now and then make a typing error outside the slots."""
    style = rng.random()
    if style < 0.6:
        sentence = _capitalise(sentence)
    elif style < 0.63:
        sentence = _upper_outside_slots(sentence)
    if rng.random() < 0.05:
        sentence = sentence.rstrip("?.!")
    if rng.random() < 0.06:
        sentence = _mistype(sentence, rng)
    return sentence


def _capitalise(sentence: str) -> str:
    return sentence if sentence.startswith("{") else sentence[:1].upper() + sentence[1:]


def _pieces(sentence: str) -> list[str]:
    """Split into text and slots, in turn."""
    pieces: list[str] = []
    rest = sentence
    while rest:
        start = rest.find("{")
        if start < 0:
            return [*pieces, rest]
        end = rest.index("}", start) + 1
        pieces += [rest[:start], rest[start:end]]
        rest = rest[end:]
    return pieces


def _upper_outside_slots(sentence: str) -> str:
    return "".join(piece if piece.startswith("{") else piece.upper() for piece in _pieces(sentence))


def _mistype(sentence: str, rng: random.Random) -> str:
    pieces = _pieces(sentence)
    places = [
        (index, at)
        for index, piece in enumerate(pieces)
        if not piece.startswith("{")
        for at in range(1, len(piece) - 2)
        if piece[at - 1 : at + 2].isalpha()
    ]
    if not places:
        return sentence
    index, at = rng.choice(places)
    piece = pieces[index]
    wrong = {
        0: piece[:at] + piece[at + 1 :],  # a letter left out
        1: piece[:at] + piece[at] + piece[at:],  # a letter doubled
        2: piece[:at] + piece[at + 1] + piece[at] + piece[at + 2 :],  # two letters swapped
    }[rng.randrange(3)]
    return "".join([*pieces[:index], wrong, *pieces[index + 1 :]])
