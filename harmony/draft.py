"""The message that the parser is reading: its ids, its header once that was read, its text as far as it is known.

Each id costs the same however long the message is: only the bytes of an unfinished character wait for the next one. An
id that was already heard in the same voice (channel and recipient) costs one look-up: its delta is made once.
"""

import codecs
from collections.abc import Iterable, Iterator

from ostinato.harmony.header import Dialect, Header, cut_header, read_header
from ostinato.harmony.kinds import special_kinds
from ostinato.harmony.message import Author, Message, Role
from ostinato.harmony.outputs import Delta
from ostinato.harmony.tokenizer import Tokenizer

_Voice = dict[int, tuple[Delta, ...]]  # what an id brings in a channel and to a recipient, once it was heard there


class Draft:
    """Collects ids until they are passed on: as a message, or as part of none.

    `ids` are those since the last were passed on, `pieces` their text; each stays the same list. `heard` holds what an
    id brings to the content while only whole characters are in it; elsewhere it is empty. Whoever takes an id from
    there appends it and its text. `passed` counts the ids that were passed on, from the end of the prompt.
    """

    def __init__(self, tokenizer: Tokenizer, dialect: Dialect, *, prompt: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._dialect = dialect
        self._kinds = special_kinds(tokenizer)
        self.ids = list(prompt)
        self.passed = -len(self.ids)
        self.pieces: list[str] = []
        self._part = b""  # of a character, whose other bytes are in ids to come
        self._voices: dict[tuple[str | None, str | None], _Voice] = {}
        self._voice: _Voice = {}
        self.heard: _Voice = {}
        self.header = self._no_header()

    @property
    def is_forged(self) -> bool:
        """Whether the author is somebody whom the generation cannot speak as."""
        return self._dialect.role not in (None, self.header.author.role)

    @property
    def lacks_channel(self) -> bool:
        """Whether this comes from the assistant in a generation, with neither channel nor recipient."""
        header = self.header
        is_answer = self._dialect.role == Role.ASSISTANT == header.author.role
        return is_answer and header.channel is None and header.recipient is None

    def read_header(self, *, is_complete: bool) -> None:
        """Read the ids as a header; a complete one was ended by `<|message|>`."""
        segments = cut_header(self.ids, self._kinds, self._tokenizer)
        self.header = read_header(segments, self._dialect, is_complete=is_complete)

    def read_stray(self) -> None:
        """Read the ids as text without a header."""
        text = self._tokenizer.decode(number for number in self.ids if number not in self._kinds)
        self.header = self._no_header(rest=text)

    def speak(self) -> None:
        """Go on to the content, in the header's voice."""
        self._voice = self._voices.setdefault((self.header.channel, self.header.recipient), {})
        self.heard = self._voice

    def write(self, number: int) -> tuple[Delta, ...]:
        """Take an id of the content, and return the text that it completes."""
        self.ids.append(number)
        before = self._part
        data = before + self._tokenizer.token_bytes(number)
        text, used = codecs.utf_8_decode(data, "replace", False)
        self._part = data[used:]
        self.heard = {} if self._part else self._voice
        if not text:
            return ()
        deltas = (self._delta(text),)
        if not before and not self._part:
            self._voice[number] = deltas
        return deltas

    def complete(self) -> Iterator[Delta | Message]:
        """Pass the message on, and before it the last of its text: an unfinished character, or the header's rest."""
        header = self.header
        if tail := self._part.decode("utf-8", "replace") or header.rest:
            yield self._delta(tail)
        yield Message(
            author=header.author,
            content=("".join(self.pieces),),
            channel=header.channel,
            recipient=header.recipient,
            content_type=header.content_type,
            ids=self.pass_on(),
        )

    def pass_on(self) -> tuple[int, ...]:
        """Return the ids, which belong to what is returned now, and begin anew."""
        ids = tuple(self.ids)
        self.passed += len(ids)
        self.ids.clear()
        self.pieces.clear()
        self._part, self.heard = b"", {}
        return ids

    def _delta(self, text: str) -> Delta:
        self.pieces.append(text)
        return Delta(text=text, channel=self.header.channel, recipient=self.header.recipient)

    def _no_header(self, *, rest: str = "") -> Header:
        return Header(author=Author(role=self._dialect.role or Role.ASSISTANT), rest=rest)
