"""A paraphrase grammar: many ways of asking the same thing, some of them kept for the test.

A phrase is text with `[this|that]` choices, which nest, and `{name}` slots. The phrases of each kind of question stand
in `phrases/`, by the form they have: nouns and commands get a sentence, a *frame*, around them. One phrase in eight,
chosen by its hash, is held out: it is never used in training, only to measure how the model does on phrasings it has
not seen. Some frames (those that start with `~`) are held out too.
"""

import random
import string
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

HELD_OUT = "~"
HELD_OUT_SHARE = 8
NEW_FRAME = 0.3  # how often a held-out phrase also gets a held-out frame
FORGETFUL, FORGOTTEN = 0.12, 0.12  # in training: questions that lack words, and the share of words they lack

Form = Literal["nouns", "commands", "sentences"]


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


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to ask for one thing: a noun phrase, a command, or a whole sentence."""

    form: Form
    text: str
    is_held_out: bool


@cache
def load_phrases(name: str) -> tuple[Phrase, ...]:
    """Read the phrases of the kind called `name`; at least one of them is held out."""
    path = Path(__file__).parent / "phrases" / f"{name.replace(' ', '_')}.txt"
    form: Form = "sentences"
    found: dict[tuple[Form, str], int] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match line:
            case "nouns" | "commands" | "sentences":
                form = line
            case _:
                found[form, line.strip()] = zlib.crc32(f"{name} {form} {line.strip()}".encode())
    least = min(found.values())
    return tuple(
        Phrase(form, text, number % HELD_OUT_SHARE == 0 or number == least) for (form, text), number in found.items()
    )


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


FRAMES: Mapping[Form, Sequence[str]] = {
    "nouns": NOUN_FRAMES,
    "commands": COMMAND_FRAMES,
    "sentences": SENTENCE_FRAMES,
}


def choose_frame(form: Form, rng: random.Random, *, held_out: bool) -> str:
    """Pick a frame that is held out, or one that is not, and strip the mark."""
    fitting = [frame for frame in FRAMES[form] if frame.startswith(HELD_OUT) == held_out]
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


def ask(phrases: Sequence[Phrase], values: Mapping[str, str], rng: random.Random, split: Split) -> str:
    """Word a question: pick a phrase and a frame, dress it up, and fill in the values."""
    phrase = rng.choice([phrase for phrase in phrases if phrase.is_held_out == split.new_phrasing])
    frame = choose_frame(phrase.form, rng, held_out=split.new_phrasing and rng.random() < NEW_FRAME)
    sentence = expand(frame, rng).replace("{x}", expand(phrase.text, rng))
    if split is Split.TRAIN and rng.random() < FORGETFUL:
        sentence = forget(sentence, rng)
    return fill(dress(" ".join(sentence.split()), rng), values)


def forget(sentence: str, rng: random.Random) -> str:
    """Leave out some words, but no slots: a model that has met such sentences leans on no single word."""
    return " ".join(word for word in sentence.split() if "{" in word or rng.random() > FORGOTTEN)


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
