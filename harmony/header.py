"""Read the header of a message, in whatever order and shape the model wrote it.

A header reaches this file cut at its special tokens into segments:

    assistant to=python <|channel|>analysis code <|message|> → START "assistant to=python ", CHANNEL "analysis code "

The start is followed by the author, the channel token by the channel, the constraint by its type. All other words may
stand anywhere: `to=x` names the recipient, a single other word is the content type. What fits nowhere is reported. It
is the content if the header ends without `<|message|>`: the model went straight on to what it had to say.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ostinato.harmony.kinds import Kind
from ostinato.harmony.message import Author, Role
from ostinato.harmony.repair import RepairKind
from ostinato.harmony.tokenizer import Tokenizer

CONTENT_TYPES = ("json", "code")
SPEAKERS = tuple(role.value for role in Role if role != Role.TOOL)  # tools go by their names
CONSTRAIN = "<|constrain|>"


@dataclass(frozen=True, slots=True)
class Segment:
    """A special token in a header (a start, also where there is none) and the text up to the next one."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a stream is expected to hold: the role that speaks (None for a whole conversation) and the channels."""

    role: Role | None
    channels: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Header:
    """What a header says. `rest` is the text that fits nowhere; `faults` are what had to be assumed."""

    author: Author
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    rest: str = ""
    faults: list[tuple[RepairKind, str]] = field(default_factory=list)


def read_header(segments: Sequence[Segment], dialect: Dialect, *, is_complete: bool) -> Header:
    """Read the segments of a header; a complete one was ended by `<|message|>`."""
    header = Header(author=Author(role=dialect.role or Role.ASSISTANT))
    loose: list[str] = []
    for segment in segments:
        text = _READERS[segment.kind](header, segment.text, dialect, is_complete)
        loose += _scan(header, text) if is_complete else _scan_prefix(header, text)
    if is_complete:
        _place_loose_words(header, loose)
    else:
        header.rest = "".join(loose).strip(" ")
    if header.author.role == Role.ASSISTANT and header.recipient == Role.ASSISTANT:
        header.recipient = None
        header.faults.append((RepairKind.GARBLED_HEADER, "no recipient: the assistant does not call itself"))
    return header


def cut_header(ids: Iterable[int], kinds: Mapping[int, Kind], tokenizer: Tokenizer) -> list[Segment]:
    """Cut the ids of a header at its special tokens."""
    runs: list[tuple[Kind, list[int]]] = []
    for number in ids:
        kind = kinds.get(number, Kind.TEXT)
        if kind is Kind.TEXT:
            runs[-1][1].append(number)
        else:
            runs.append((kind, []))
    return [Segment(kind, tokenizer.decode(run)) for kind, run in runs]


def _scan(header: Header, text: str) -> Iterator[str]:
    """Take the recipient and known content types out of the words of a complete header; yield the others."""
    for word in text.split():
        if not _take(header, word):
            yield word


def _scan_prefix(header: Header, text: str) -> Iterator[str]:
    """Take words while they belong to a header; yield the text from the first that does not."""
    while word := re.match(r"\s*(\S+)", text):
        if not _take(header, word[1]):
            break
        text = text[word.end() :]
    if text.strip():
        yield text


def _take(header: Header, word: str) -> bool:
    if word.startswith("to=") and len(word) > len("to="):
        header.recipient = word.removeprefix("to=")
        return True
    if word in CONTENT_TYPES and header.content_type is None:
        header.content_type = word
        return True
    return False


def _place_loose_words(header: Header, loose: Sequence[str]) -> None:
    """Take a single unknown word as the content type, as the library does."""
    if len(loose) == 1 and header.content_type is None:
        header.content_type = loose[0]
        if header.recipient is None:
            header.faults.append((RepairKind.GARBLED_HEADER, f"{loose[0]!r} is a content type"))
    elif loose:
        header.faults.append((RepairKind.GARBLED_HEADER, f"{' '.join(loose)!r} means nothing"))


def _read_opening(header: Header, text: str, dialect: Dialect, is_complete: bool) -> str:
    word = _first_word(text)
    role, _, name = word.partition(":")
    if role in SPEAKERS:
        header.author = Author(role=Role(role), name=name or None)
        return _without_repeated_role(header, text.lstrip()[len(word) :], dialect)
    if dialect.role is not None and word.startswith(dialect.role):
        return _without_repeated_role(header, text.lstrip()[len(dialect.role) :], dialect)
    if word in dialect.channels or not word or word.startswith("to="):
        header.faults.append((RepairKind.GARBLED_HEADER, f"role {header.author.role.value}"))
        return _read_channel(header, text, dialect, is_complete) if word in dialect.channels else text
    if is_complete:
        header.author = Author(role=Role.TOOL, name=word)
        return text.lstrip()[len(word) :]
    return text


def _without_repeated_role(header: Header, text: str, dialect: Dialect) -> str:
    """Drop a role said twice, and read a channel glued to the role (`assistantassistant`, `assistantcommentary`)."""
    if dialect.role is None or not text or text[0].isspace():
        return text
    while text.startswith(dialect.role):
        text = text.removeprefix(dialect.role)
        header.faults.append((RepairKind.GARBLED_HEADER, f"role {dialect.role.value}, once"))
    if text.startswith(dialect.channels):
        header.faults.append((RepairKind.GARBLED_HEADER, "a channel glued to the role"))
        return _read_channel(header, text, dialect, False)
    return text


def _read_channel(header: Header, text: str, dialect: Dialect, is_complete: bool) -> str:
    word = _first_word(text)
    if not word or word.startswith("to="):
        return text
    if header.channel is not None:
        header.faults.append((RepairKind.REPEATED_CHANNEL, f"the last one, not {header.channel!r}"))
    after = text.lstrip()[len(word) :]
    if word in dialect.channels:
        header.channel = word
        return after
    known = [channel for channel in dialect.channels if word.startswith(channel) or _bare(word) == channel]
    header.channel = known[0] if known else word
    header.faults.append((RepairKind.UNKNOWN_CHANNEL, header.channel))
    return _glued(word, header.channel, is_complete) + after


def _glued(word: str, channel: str, is_complete: bool) -> str:
    """Return what is glued to a channel (`analysiscode`, `final__X`), in a complete header only what has a meaning."""
    glued = word.removeprefix(channel) if word.startswith(channel) else ""
    has_meaning = glued in CONTENT_TYPES or glued.startswith("to=")
    return glued if has_meaning or not is_complete else ""


def _read_constraint(header: Header, text: str, dialect: Dialect, is_complete: bool) -> str:
    word = _first_word(text) if is_complete else _first_letters(text)
    if not word or word.startswith("to="):
        return text
    header.content_type = CONSTRAIN + word
    return text.lstrip()[len(word) :]


def _read_other(header: Header, text: str, dialect: Dialect, is_complete: bool) -> str:
    header.faults.append((RepairKind.STRAY_SPECIAL, "it is not there"))
    return text


_READERS = {
    Kind.START: _read_opening,
    Kind.CHANNEL: _read_channel,
    Kind.CONSTRAIN: _read_constraint,
    Kind.SPECIAL: _read_other,
}


def _first_word(text: str) -> str:
    words = text.split(maxsplit=1)
    return words[0] if words else ""


def _first_letters(text: str) -> str:
    match = re.match(r"\s*([^\W\d_]+)", text)
    return match[1] if match else ""


def _bare(word: str) -> str:
    return re.sub(r"^\W+|\W+$", "", word)
