"""Read the header of a message, in whatever order and shape the model wrote it.

A header reaches this file cut at its special tokens into segments:

    assistant to=python <|channel|>analysis code <|message|> → START "assistant to=python ", CHANNEL "analysis code "

The start is followed by the author, the channel token by the channel, the constraint by its type. All other words may
stand anywhere: `to=x` names the recipient, a single other word is the content type. What fits nowhere is reported. It
is the content if the header ends without `<|message|>`: the model went straight on to what it had to say.

In a generation a channel or role that nobody knows is the known one it resembles. Reading a whole conversation, names
are kept as they are written. Every header is read in time linear in its length.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from ostinato.harmony.kinds import Kind
from ostinato.harmony.message import Author, Channel, Role
from ostinato.harmony.repair import RepairKind
from ostinato.harmony.tokenizer import Tokenizer

CONTENT_TYPES = ("json", "code")
SPEAKERS = tuple(role.value for role in Role if role != Role.TOOL)  # tools go by their names
CONSTRAIN = "<|constrain|>"
_FUNCTIONS = "functions."
_LONGEST_NAME = 32  # no channel or role is longer, and comparing words takes the square of their length
_WORD = re.compile(r"\s*(\S+)")
_TYPE = re.compile(r"[A-Za-z][\w.+/-]*\Z")
_MARKUP = re.compile(r"<\|(\w+)\|>([^<]*)")
_MARKUP_KINDS = {"channel": Kind.CHANNEL, "constrain": Kind.CONSTRAIN}


@dataclass(frozen=True, slots=True)
class Segment:
    """A special token in a header (a start, also where there is none) and the text up to the next one."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a stream is expected to hold: the role that speaks (None for a whole conversation), channels, recipients."""

    role: Role | None
    channels: tuple[str, ...]
    recipients: Collection[str] = ()


@dataclass(slots=True, kw_only=True)
class Header:
    """What a header says. `rest` is the text that fits nowhere; `faults` are what had to be assumed."""

    author: Author
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    rest: str = ""
    faults: list[tuple[RepairKind, str]] = field(default_factory=list)

    @property
    def is_wordless_preamble(self) -> bool:
        """Whether this is commentary for the user without a word in it (`commentary?commentary?`)."""
        is_preamble = self.channel == Channel.COMMENTARY and self.recipient is None
        return is_preamble and not any(map(str.isalpha, self.rest.replace(Channel.COMMENTARY, "")))


def read_header(segments: Sequence[Segment], dialect: Dialect, *, is_complete: bool) -> Header:
    """Read the segments of a header; a complete one was ended by `<|message|>`."""
    reader = _CompleteReader(dialect) if is_complete else _BrokenReader(dialect)
    for segment in segments:
        reader.read(segment)
    return reader.finish()


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


class _CompleteReader:
    """Reads a header word by word; no word of it is content."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.header = Header(author=Author(role=dialect.role or Role.ASSISTANT))
        self.loose: list[str] = []

    def read(self, segment: Segment) -> None:
        match segment.kind:
            case Kind.START:
                rest = self.opening(segment.text)
            case Kind.CHANNEL:
                rest = self.channel(segment.text)
            case Kind.CONSTRAIN:
                rest = self.constraint(segment.text)
            case _:
                self.fault(RepairKind.STRAY_SPECIAL, "it is not there")
                rest = segment.text
        self.words(rest)

    def finish(self) -> Header:
        self.place_loose_words()
        header = self.header
        if header.author.role == Role.ASSISTANT and header.recipient == Role.ASSISTANT:
            header.recipient = None
            self.fault(RepairKind.GARBLED_HEADER, "no recipient: the assistant does not call itself")
        return header

    def opening(self, text: str) -> str:
        """Read the author."""
        word, rest = _first_word(text)
        role, _, name = word.partition(":")
        speaker = self.dialect.role
        if role in SPEAKERS:
            self.header.author = Author(role=Role(role), name=name or None)
            return self.after_role(rest)
        if speaker is not None and word.startswith(speaker):
            return self.after_role(word.removeprefix(speaker) + rest)
        if not word or word.startswith("to=") or word in self.dialect.channels:
            self.fault(RepairKind.GARBLED_HEADER, f"role {self.header.author.role.value}")
            return self.channel(text) if word in self.dialect.channels else text
        if speaker is not None and _most_like(word, (speaker,)):
            self.fault(RepairKind.GARBLED_HEADER, f"role {speaker.value}, not {word!r}")
            return rest
        return self.tool(word, rest)

    def tool(self, name: str, rest: str) -> str:
        self.header.author = Author(role=Role.TOOL, name=name)
        return rest

    def after_role(self, text: str) -> str:
        """Drop a role said twice, and read a channel glued to it (`assistantassistant`, `assistantcommentary`)."""
        role = self.dialect.role
        if role is None or not text or text[0].isspace():
            return text
        if text.startswith(role):
            text = re.sub(rf"\A(?:{role.value})+", "", text)
            self.fault(RepairKind.GARBLED_HEADER, f"role {role.value}, once")
        if text.startswith(self.dialect.channels):
            self.fault(RepairKind.GARBLED_HEADER, "a channel glued to the role")
            return self.channel(text)
        return text

    def channel(self, text: str) -> str:
        word, rest = _first_word(text)
        if not word or word.startswith("to="):
            return text
        if word in self.dialect.channels:
            self.name_channel(word)
            return rest
        return self.unknown_channel(word, rest)

    def unknown_channel(self, word: str, rest: str) -> str:
        """Take the channel that a word begins with, holds or resembles; else it is analysis, which no user sees."""
        if self.dialect.role is None:
            self.name_channel(word)
            self.fault(RepairKind.UNKNOWN_CHANNEL, f"it is kept as {word!r}")
            return rest
        known = self.beginning_of(word)
        name = known or next((each for each in self.dialect.channels if each in word), None)
        name = name or _most_like(word, self.dialect.channels)
        if name or self.header.channel is None:
            self.name_channel(name or Channel.ANALYSIS.value)
        self.fault(RepairKind.UNKNOWN_CHANNEL, f"{self.header.channel}, not {word!r}")
        return self.glued(word[len(known) :] if known else "") + rest

    def beginning_of(self, word: str) -> str:
        """Return the longest channel that the word begins with."""
        found = [name for name in self.dialect.channels if word.lower().startswith(name.lower())]
        return max(found, key=len, default="")

    def name_channel(self, name: str) -> None:
        if self.header.channel is not None:
            self.fault(RepairKind.REPEATED_CHANNEL, f"the last one, not {self.header.channel!r}")
        self.header.channel = name

    def glued(self, text: str) -> str:
        """Return what is glued to a channel (`analysiscode`, `commentary?`) if it means anything."""
        if text.startswith("<|"):
            self.markup(text)
            return ""
        return text if text in CONTENT_TYPES or text.startswith("to=") else ""

    def constraint(self, text: str) -> str:
        word, rest = _first_word(text)
        return text if word.startswith("to=") else self.constrained_to(word, rest)

    def constrained_to(self, word: str, rest: str) -> str:
        if word:
            self.header.content_type = CONSTRAIN + word
        return rest

    def words(self, text: str) -> None:
        self.loose += [word for word in text.split() if not self.take(word)]

    def take(self, word: str) -> bool:
        """Take a word that names the recipient or a known content type."""
        if word.startswith("to=") and word != "to=":
            self.recipient(word.removeprefix("to="))
            return True
        if word in CONTENT_TYPES and self.header.content_type is None:
            self.header.content_type = word
            return True
        return False

    def recipient(self, text: str) -> None:
        """Take the recipient without what is glued to it: markup, or the type of the arguments."""
        name, mark, markup = text.partition("<|")
        self.header.recipient = self.without_type(name) or None
        if mark:
            self.fault(RepairKind.GARBLED_HEADER, f"recipient {name!r}")
            self.markup(mark + markup)

    def without_type(self, name: str) -> str:
        if self.is_declared(name):
            return name
        for kind in CONTENT_TYPES:
            stem = name.removesuffix(kind)
            if stem != name and self.is_declared(stem):
                self.fault(RepairKind.GARBLED_HEADER, f"recipient {stem!r} and type {kind}")
                self.header.content_type = self.header.content_type or kind
                return stem
        return name

    def is_declared(self, name: str) -> bool:
        return name in self.dialect.recipients or _FUNCTIONS + name in self.dialect.recipients

    def markup(self, text: str) -> None:
        """Read special tokens of a header that are written out as text."""
        for name, words in _MARKUP.findall(text):
            self.read(Segment(_MARKUP_KINDS.get(name, Kind.SPECIAL), words))

    def place_loose_words(self) -> None:
        """Take a single unknown word as the content type, as the library does."""
        is_type = len(self.loose) == 1 and (self.dialect.role is None or _TYPE.match(self.loose[0]))
        if is_type and self.header.content_type is None:
            self.header.content_type = self.loose[0]
            if self.header.recipient is None:
                self.fault(RepairKind.GARBLED_HEADER, f"{self.loose[0]!r} is a content type")
        elif self.loose:
            self.fault(RepairKind.GARBLED_HEADER, f"{' '.join(self.loose)!r} means nothing")

    def fault(self, kind: RepairKind, assumed: str) -> None:
        self.header.faults.append((kind, assumed))


class _BrokenReader(_CompleteReader):
    """Reads a header that runs into the content: from the first unknown word on, text is content."""

    def tool(self, name: str, rest: str) -> str:
        if name.startswith(_FUNCTIONS) or name in self.dialect.recipients:
            return super().tool(name, rest)
        return name + rest

    def unknown_channel(self, word: str, rest: str) -> str:
        """Take a channel that is glued to the content, or cut by the end of the stream; else all is content."""
        if self.dialect.role is None:
            return super().unknown_channel(word, rest)
        name = self.beginning_of(word)
        left = word[len(name) :] + rest
        if not name and not rest.strip():
            name, left = _cut_from(word, self.dialect.channels), ""
        if not name:
            return word + rest
        self.name_channel(name)
        self.fault(RepairKind.UNKNOWN_CHANNEL, f"{name}, not {word!r}")
        return left

    def constraint(self, text: str) -> str:
        letters = re.match(r"\s*([^\W\d_]*)", text)  # the type ends where `json{"a": 1}` does
        assert letters is not None
        word = letters[1]
        return text if word == "to" else self.constrained_to(word, text[letters.end() :])

    def words(self, text: str) -> None:
        end = 0
        while (match := _WORD.match(text, end)) and self.take(match[1]):
            end = match.end()
        if text[end:].strip():
            self.loose.append(text[end:])

    def place_loose_words(self) -> None:
        self.header.rest = "".join(self.loose).strip(" ")


def _first_word(text: str) -> tuple[str, str]:
    """Return the first word and what follows it, with the space between."""
    word, *_ = text.split(maxsplit=1) or [""]
    return word, text.lstrip()[len(word) :]


def _most_like(word: str, names: Sequence[str]) -> str:
    """Return the name that a misspelt word means (`anaylsis`, `comment`), empty if none."""
    close = get_close_matches(word[:_LONGEST_NAME].lower(), names, n=1, cutoff=0.75)
    return close[0] if close else ""


def _cut_from(word: str, names: Sequence[str]) -> str:
    """Return the name that a word is the beginning of, empty if none."""
    return next((name for name in names if name.startswith(word)), "")
