"""Parse: token ids → messages, while they are sampled. It never raises and loses no id.

The states, and what each kind of id does in them (a repair is reported wherever the output is malformed):

              text            start           channel         message         terminator      other special
    BETWEEN   collect         open            open, repair    begin, repair   close or drop   collect
    HEADER    collect         reopen, repair  collect         begin           close, repair   collect, repair later
    CONTENT   write           leave, repair   leave, repair   keep, repair    close           keep, repair
    FORGED    collect         leave           leave           collect         drop, repair    collect
    HELD      settle          settle          settle          settle          leave           settle

- *open* starts a header. One that is opened by `<|channel|>` lacks its `<|start|>`.
- *begin* reads the header (header.py) and goes on to the content, or to FORGED: a generation has one speaker, so a
  message in any other name is dropped whole.
- *close* makes a `Message` of all ids since it was opened. A header closed without `<|message|>` gives the text that
  follows what is recognisable in it as the content.
- *reopen* closes a header if it holds text, and drops it if it does not.
- *keep* leaves the id in the message's ids but not in its text: a control token is never text.
- *leave* does what the end of the stream would do, and then takes the id between messages.
- Text *collected* between messages becomes a message if the stream ends on it. It is dropped if a header follows, or if
  the generation was already over (`<|return|>`, `<|call|>`).
- HELD is text without a channel that `<|end|>` closed. If the stream ends there it is the final answer; *settle* makes
  it analysis, because something follows, and then takes the id between messages.

The invariant: after `finish`, the ids of all messages and repairs, in the order they were returned, are the ids of the
prompt's header and all ids that were fed, whatever these are. (Of an empty stream nothing is returned.)

Each id costs the same however long the message is: only the bytes of an unfinished character wait for the next one. An
id that was already heard in the same voice (channel and recipient) costs one look-up: its delta is made once.
"""

import codecs
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ostinato.harmony.header import Dialect, Header, cut_header, read_header
from ostinato.harmony.kinds import Kind, special_kinds
from ostinato.harmony.message import Author, Channel, Message, Role
from ostinato.harmony.repair import Repair, RepairKind
from ostinato.harmony.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a message's text. Joined, the deltas of a message are its text."""

    text: str
    channel: str | None
    recipient: str | None


Output = Delta | Message | Repair
_Voice = dict[int, tuple[Delta, ...]]  # what an id brings in a channel and to a recipient, once it was heard there


class ParserState(StrEnum):
    """Where in a message the parser is; the file's head says what each kind of id does there."""

    BETWEEN = "between"
    HEADER = "header"
    CONTENT = "content"
    FORGED = "forged"
    HELD = "held"


CHANNELS = tuple(channel.value for channel in Channel)


class StreamParser:
    """Turns the ids of a generation into deltas, messages and repairs.

    With a role it starts right after the prompt `<|start|>role`, whose ids it counts to the first message. With
    `role=None` it reads a whole conversation from its first `<|start|>`, where anybody may speak and names are kept as
    written. `recipients` are the declared ones, such as `functions.x`: they tell a name from what is glued to it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        role: Role | None = Role.ASSISTANT,
        channels: tuple[str, ...] = CHANNELS,
        recipients: Collection[str] = (),
    ) -> None:
        self._tokenizer = tokenizer
        self._dialect = Dialect(role=role, channels=channels, recipients=frozenset(recipients))
        self._kinds = special_kinds(tokenizer)
        self._state = ParserState.BETWEEN
        self._is_over = False
        self._is_first = True
        self._ids: list[int] = []
        self._text: list[str] = []
        self._part = b""  # of a character, whose other bytes are in ids to come
        self._header = self._no_header()
        self._voices: dict[tuple[str | None, str | None], _Voice] = {}
        self._voice: _Voice = {}
        self._heard: _Voice = {}  # the voice, in content and between whole characters; else empty
        if role is not None:
            self._state = ParserState.HEADER
            self._ids = [tokenizer.start, *tokenizer.encode(role)]
        self._passed = -len(self._ids)
        self._position = 0

    @property
    def state(self) -> ParserState:
        """Where in a message the parser is."""
        return self._state

    @property
    def position(self) -> int:
        """How many ids were fed."""
        return self._passed + len(self._ids)

    @property
    def author(self) -> Author | None:
        """Who the message comes from whose content is being read; None elsewhere, as for the next three."""
        return self._header.author if self._is_inside else None

    @property
    def channel(self) -> str | None:
        """The channel of the message being read."""
        return self._header.channel if self._is_inside else None

    @property
    def recipient(self) -> str | None:
        """The recipient of the message being read."""
        return self._header.recipient if self._is_inside else None

    @property
    def content_type(self) -> str | None:
        """The content type of the message being read."""
        return self._header.content_type if self._is_inside else None

    def feed(self, number: int) -> tuple[Output, ...]:
        """Take the next id and return what it completes."""
        deltas = self._heard.get(number)
        if deltas is not None:
            self._ids.append(number)
            self._text.append(deltas[0].text)
            return deltas
        self._position = self._passed + len(self._ids)
        return tuple(self._step(number))

    def finish(self) -> tuple[Output, ...]:
        """Take the end of the stream: what is unfinished is returned as far as it goes."""
        self._position = self.position
        return tuple(_ENDINGS[self._state](self))

    def _step(self, number: int) -> Iterable[Output]:
        return _TRANSITIONS[self._state, self._kinds.get(number, Kind.TEXT)](self, number)

    # Each transition takes the id and returns what it completes.

    def _leave(self, number: int) -> Iterator[Output]:
        yield from _ENDINGS[self._state](self)
        yield from self._step(number)

    def _collect(self, number: int) -> Iterable[Output]:
        self._ids.append(number)
        return ()

    def _open(self, number: int) -> Iterator[Output]:
        if self._ids:
            yield self._drop(RepairKind.STRAY_TEXT, "nothing")
        self._ids = [number]
        self._state = ParserState.HEADER

    def _open_without_start(self, number: int) -> Iterator[Output]:
        yield from self._open(number)
        yield self._repair(RepairKind.MISSING_START, f"role {self._no_header().author.role.value}")

    def _begin_without_header(self, number: int) -> Iterator[Output]:
        yield from self._open(number)
        self._header = self._no_header()
        if self._lacks_channel:
            self._header.channel = self._usual_channel().value
        yield self._repair(RepairKind.MISSING_HEADER, f"channel {self._header.channel}")
        self._speak()

    def _end_stray(self, number: int) -> Iterator[Output]:
        if self._ids and not self._drops_stray:
            self._read_stray()
            yield from self._close_headerless(number)
            return
        if self._ids:
            yield self._drop(RepairKind.STRAY_TEXT, "nothing")
        self._ids = [number]
        yield self._drop(RepairKind.REPEATED_TERMINATOR, "nothing")
        self._is_over = self._is_over or number in self._tokenizer.stop_ids

    def _reopen(self, number: int) -> Iterator[Output]:
        yield from self._leave_header(RepairKind.REPEATED_START)
        yield from self._open(number)

    def _begin(self, number: int) -> Iterable[Output]:
        self._read_header(is_complete=True)
        self._ids.append(number)
        if self._is_forged:
            self._state = ParserState.FORGED
            return ()
        repairs = tuple(self._check_header(self._usual_channel()))
        self._speak()
        return repairs

    def _close_header(self, number: int) -> Iterator[Output]:
        self._read_header(is_complete=False)
        if self._is_forged:
            yield from self._close_forged(number)
        elif self._lacks_channel:
            yield from self._close_headerless(number)
        elif self._dialect.role and number == self._tokenizer.end and self._header.is_wordless_preamble:
            self._end(number)
            yield self._drop(RepairKind.GARBLED_HEADER, "nothing: the model begins anew")
        else:
            yield self._repair(RepairKind.MISSING_MESSAGE, "the header ends before its first unknown word")
            yield from self._check_header(Channel.FINAL)
            self._end(number)
            yield from self._close(self._header.rest)

    def _close_headerless(self, number: int) -> Iterator[Output]:
        """Close text that has no channel: after `<|end|>` the next id tells what it was."""
        self._end(number)
        self._state = ParserState.HELD
        if self._is_over:
            yield from self._finish_held()

    def _settle(self, number: int) -> Iterator[Output]:
        yield from self._close_on(Channel.ANALYSIS)
        yield from self._step(number)

    def _write(self, number: int) -> Iterable[Output]:
        self._ids.append(number)
        before = self._part
        data = before + self._tokenizer.token_bytes(number)
        text, used = codecs.utf_8_decode(data, "replace", False)
        self._part = data[used:]
        self._heard = {} if self._part else self._voice
        if not text:
            return ()
        deltas = (self._delta(text),)
        if not before and not self._part:
            self._voice[number] = deltas
        return deltas

    def _keep(self, number: int) -> Iterable[Output]:
        self._ids.append(number)
        return (self._repair(RepairKind.STRAY_SPECIAL, "it is not there"),)

    def _close_content(self, number: int) -> Iterable[Output]:
        self._end(number)
        return self._close(self._part.decode("utf-8", "replace"))

    def _close_forged(self, number: int) -> Iterable[Output]:
        self._end(number)
        return self._finish_forged()

    # The end of the stream.

    def _finish_between(self) -> Iterator[Output]:
        if self._ids and not self._drops_stray:
            self._read_stray()
            yield from self._finish_held()
        elif self._ids:
            yield self._drop(RepairKind.STRAY_TEXT, "nothing")

    def _finish_header(self) -> Iterator[Output]:
        if self._position:
            yield from self._leave_header(RepairKind.MISSING_MESSAGE)

    def _finish_content(self) -> Iterator[Output]:
        yield self._repair(RepairKind.MISSING_TERMINATOR, "the message ends here")
        yield from self._close(self._part.decode("utf-8", "replace"))

    def _finish_forged(self) -> Iterable[Output]:
        author = self._header.author
        return (self._drop(RepairKind.FORGED_ROLE, f"nothing: the model cannot speak as {author.name or author.role}"),)

    def _finish_held(self) -> Iterable[Output]:
        return self._close_on(Channel.FINAL)

    # What transitions are made of.

    def _leave_header(self, kind: RepairKind) -> Iterator[Output]:
        """End a header that was never completed: as a message if it holds any text, else as nothing."""
        self._read_header(is_complete=False)
        if self._is_forged:
            yield from self._finish_forged()
        elif not self._header.rest:
            yield self._drop(kind, "nothing")
        else:
            yield self._repair(RepairKind.MISSING_MESSAGE, "the header ends before its first unknown word")
            yield from self._check_header(Channel.ANALYSIS if kind == RepairKind.REPEATED_START else Channel.FINAL)
            yield from self._close(self._header.rest)

    def _close_on(self, channel: Channel) -> Iterator[Output]:
        """Make a message of text that has no channel."""
        if self._lacks_channel:
            self._header.channel = channel.value
        yield self._repair(RepairKind.MISSING_HEADER, f"channel {self._header.channel}")
        yield from self._check_header(channel)
        yield from self._close(self._header.rest)

    def _speak(self) -> None:
        """Go on to the content."""
        self._state = ParserState.CONTENT
        self._voice = self._voices.setdefault((self._header.channel, self._header.recipient), {})
        self._heard = self._voice

    def _end(self, terminator: int) -> None:
        self._ids.append(terminator)
        self._is_over = terminator in self._tokenizer.stop_ids

    def _close(self, tail: str) -> Iterator[Output]:
        """Complete the message with the last of its text."""
        if tail:
            yield self._delta(tail)
        header = self._header
        yield Message(
            author=header.author,
            content=("".join(self._text),),
            channel=header.channel,
            recipient=header.recipient,
            content_type=header.content_type,
            ids=self._pass_on(),
        )
        self._is_first = False
        self._text = []
        self._part = b""

    def _drop(self, kind: RepairKind, assumed: str) -> Repair:
        """Report the ids so far as belonging to no message."""
        return Repair(kind=kind, position=self._position, assumed=assumed, ids=self._pass_on())

    def _pass_on(self) -> tuple[int, ...]:
        """Return the ids since the last message, which belong to what is returned now."""
        ids = tuple(self._ids)
        self._passed += len(ids)
        self._ids = []
        self._heard = {}
        self._state = ParserState.BETWEEN
        return ids

    def _check_header(self, usual_channel: Channel) -> Iterator[Output]:
        """Report the header's faults, and give an answer that lacks its channel one."""
        for kind, assumed in self._header.faults:
            yield self._repair(kind, assumed)
        if self._lacks_channel:
            self._header.channel = usual_channel.value
            yield self._repair(RepairKind.MISSING_CHANNEL, self._header.channel)

    def _delta(self, text: str) -> Delta:
        self._text.append(text)
        return Delta(text=text, channel=self._header.channel, recipient=self._header.recipient)

    def _repair(self, kind: RepairKind, assumed: str) -> Repair:
        return Repair(kind=kind, position=self._position, assumed=assumed)

    def _read_header(self, *, is_complete: bool) -> None:
        segments = cut_header(self._ids, self._kinds, self._tokenizer)
        self._header = read_header(segments, self._dialect, is_complete=is_complete)

    def _read_stray(self) -> None:
        text = self._tokenizer.decode(number for number in self._ids if number not in self._kinds)
        self._header = self._no_header(rest=text)

    def _no_header(self, *, rest: str = "") -> Header:
        return Header(author=Author(role=self._dialect.role or Role.ASSISTANT), rest=rest)

    def _usual_channel(self) -> Channel:
        return Channel.ANALYSIS if self._is_first else Channel.FINAL

    @property
    def _is_inside(self) -> bool:
        return self._state in (ParserState.CONTENT, ParserState.FORGED)

    @property
    def _is_forged(self) -> bool:
        return self._dialect.role not in (None, self._header.author.role)

    @property
    def _lacks_channel(self) -> bool:
        header = self._header
        is_answer = self._dialect.role == Role.ASSISTANT == header.author.role
        return is_answer and header.channel is None and header.recipient is None

    @property
    def _drops_stray(self) -> bool:
        return self._is_over or self._dialect.role is None


_Transition = Callable[[StreamParser, int], Iterable[Output]]
_USUALLY: dict[ParserState, _Transition] = {
    ParserState.BETWEEN: StreamParser._collect,
    ParserState.HEADER: StreamParser._collect,
    ParserState.CONTENT: StreamParser._keep,
    ParserState.FORGED: StreamParser._collect,
    ParserState.HELD: StreamParser._settle,
}
_TRANSITIONS: dict[tuple[ParserState, Kind], _Transition] = {
    **{(state, kind): step for state, step in _USUALLY.items() for kind in Kind},
    (ParserState.BETWEEN, Kind.START): StreamParser._open,
    (ParserState.BETWEEN, Kind.CHANNEL): StreamParser._open_without_start,
    (ParserState.BETWEEN, Kind.MESSAGE): StreamParser._begin_without_header,
    (ParserState.BETWEEN, Kind.TERMINATOR): StreamParser._end_stray,
    (ParserState.HEADER, Kind.START): StreamParser._reopen,
    (ParserState.HEADER, Kind.MESSAGE): StreamParser._begin,
    (ParserState.HEADER, Kind.TERMINATOR): StreamParser._close_header,
    (ParserState.CONTENT, Kind.TEXT): StreamParser._write,
    (ParserState.CONTENT, Kind.START): StreamParser._leave,
    (ParserState.CONTENT, Kind.CHANNEL): StreamParser._leave,
    (ParserState.CONTENT, Kind.TERMINATOR): StreamParser._close_content,
    (ParserState.FORGED, Kind.START): StreamParser._leave,
    (ParserState.FORGED, Kind.CHANNEL): StreamParser._leave,
    (ParserState.FORGED, Kind.TERMINATOR): StreamParser._close_forged,
    (ParserState.HELD, Kind.TERMINATOR): StreamParser._leave,
}
_ENDINGS: dict[ParserState, Callable[[StreamParser], Iterable[Output]]] = {
    ParserState.BETWEEN: StreamParser._finish_between,
    ParserState.HEADER: StreamParser._finish_header,
    ParserState.CONTENT: StreamParser._finish_content,
    ParserState.FORGED: StreamParser._finish_forged,
    ParserState.HELD: StreamParser._finish_held,
}
