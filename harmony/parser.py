"""Parse: token ids → messages, while they are sampled. It never raises and loses no id.

The states, and what each kind of id does in them (a repair is reported wherever the output is malformed):

              text            start           channel         message         terminator      other special
    BETWEEN   stray           open            open, repair    begin, repair   drop, repair    stray
    HEADER    collect         reopen, repair  collect         begin           close, repair   collect, repair later
    CONTENT   write           close, open     close, open     keep, repair    close           keep, repair

- *open* starts a header. One that is opened by `<|channel|>` lacks its `<|start|>`.
- *begin* reads the header (header.py) and goes on to the content.
- *close* makes a `Message` of all ids since it was opened. A header closed without `<|message|>` gives the text that
  follows what is recognisable in it as the content.
- *reopen* closes a header if it holds text, and drops it if it does not.
- *keep* leaves the id in the message's ids but not in its text: a control token is never text.
- *stray* text between messages becomes a message if the stream ends on it, and is dropped if a header follows or the
  generation was already over (`<|return|>`, `<|call|>`).

Ids that belong to no message are reported in a `Repair`, so the ids of messages and repairs, in order, are the stream.
Each id costs the same however long the message is: bytes go through an incremental UTF-8 decoder and are never re-read.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

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


class _State(Enum):
    BETWEEN = auto()
    HEADER = auto()
    CONTENT = auto()


CHANNELS = tuple(channel.value for channel in Channel)
_NO_HEADER = Header(author=Author(role=Role.ASSISTANT))


class StreamParser:
    """Turns the ids of a generation into deltas, messages and repairs.

    With a role it starts right after the prompt `<|start|>role`, whose ids it counts to the first message. With
    `role=None` it reads a whole conversation from its first `<|start|>`.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, role: Role | None = Role.ASSISTANT, channels: tuple[str, ...] = CHANNELS
    ) -> None:
        self._tokenizer = tokenizer
        self._dialect = Dialect(role=role, channels=channels)
        self._kinds = special_kinds(tokenizer)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._position = 0
        self._state = _State.BETWEEN
        self._is_over = role is None
        self._is_first = True
        self._ids: list[int] = []
        self._text: list[str] = []
        self._header = _NO_HEADER
        if role is not None:
            self._state = _State.HEADER
            self._ids = [tokenizer.start, *tokenizer.encode(role)]

    def feed(self, number: int) -> tuple[Output, ...]:
        """Take the next id and return what it completes."""
        kind = self._kinds.get(number, Kind.TEXT)
        outputs = tuple(_TRANSITIONS[self._state, kind](self, number))
        self._position += 1
        return outputs

    def finish(self) -> tuple[Output, ...]:
        """Take the end of the stream: what is unfinished is returned as far as it goes."""
        outputs = tuple(_ENDINGS[self._state](self))
        self._is_over = True
        return outputs

    # Each transition takes the id and yields what it completes.

    def _stray(self, number: int) -> Iterator[Output]:
        self._ids.append(number)
        yield from ()

    def _open(self, number: int) -> Iterator[Output]:
        if self._ids:
            yield self._drop(RepairKind.STRAY_TEXT, "nothing")
        self._ids = [number]
        self._state = _State.HEADER

    def _open_without_start(self, number: int) -> Iterator[Output]:
        yield from self._open(number)
        yield self._repair(RepairKind.MISSING_START, f"role {_NO_HEADER.author.role.value}")

    def _begin_without_header(self, number: int) -> Iterator[Output]:
        yield from self._open(number)
        self._state = _State.CONTENT
        self._header = Header(author=_NO_HEADER.author, channel=self._usual_channel().value)
        yield self._repair(RepairKind.MISSING_HEADER, f"channel {self._header.channel}")

    def _end_stray(self, number: int) -> Iterator[Output]:
        if self._ids and not self._is_over:
            yield from self._close_stray(number)
        else:
            if self._ids:
                yield self._drop(RepairKind.STRAY_TEXT, "nothing")
            self._ids = [number]
            yield self._drop(RepairKind.REPEATED_TERMINATOR, "nothing")
        self._is_over = self._is_over or number in self._tokenizer.stop_ids

    def _collect(self, number: int) -> Iterator[Output]:
        self._ids.append(number)
        yield from ()

    def _reopen(self, number: int) -> Iterator[Output]:
        yield from self._leave_header(RepairKind.REPEATED_START)
        yield from self._open(number)

    def _begin(self, number: int) -> Iterator[Output]:
        self._read_header(is_complete=True)
        yield from self._check_header(self._usual_channel())
        self._ids.append(number)
        self._state = _State.CONTENT

    def _close_header(self, number: int) -> Iterator[Output]:
        self._read_header(is_complete=False)
        yield self._repair(RepairKind.MISSING_MESSAGE, "the header ends before its first unknown word")
        yield from self._check_header(Channel.ANALYSIS if number == self._tokenizer.end else Channel.FINAL)
        yield from self._close(number, self._header.rest)

    def _write(self, number: int) -> Iterator[Output]:
        self._ids.append(number)
        text = self._decoder.decode(self._tokenizer.token_bytes(number))
        if text:
            yield self._delta(text)

    def _keep(self, number: int) -> Iterator[Output]:
        self._ids.append(number)
        yield self._repair(RepairKind.STRAY_SPECIAL, "it is not there")

    def _close_content(self, number: int) -> Iterator[Output]:
        yield from self._close(number, self._decoder.decode(b"", final=True))

    def _reopen_content(self, number: int) -> Iterator[Output]:
        yield from self._finish_content()
        yield from self._open(number)

    def _reopen_content_without_start(self, number: int) -> Iterator[Output]:
        yield from self._finish_content()
        yield from self._open_without_start(number)

    # The end of the stream.

    def _finish_between(self) -> Iterator[Output]:
        if self._ids and not self._is_over:
            yield from self._close_stray(None)
        elif self._ids:
            yield self._drop(RepairKind.STRAY_TEXT, "nothing")

    def _finish_header(self) -> Iterator[Output]:
        if self._position:
            yield from self._leave_header(RepairKind.MISSING_MESSAGE)

    def _finish_content(self) -> Iterator[Output]:
        yield self._repair(RepairKind.MISSING_TERMINATOR, "the message ends here")
        yield from self._close(None, self._decoder.decode(b"", final=True))

    # What transitions are made of.

    def _leave_header(self, kind: RepairKind) -> Iterator[Output]:
        """End a header that was never completed: as a message if it holds any text, else as nothing."""
        self._read_header(is_complete=False)
        if not self._header.rest:
            yield self._drop(kind, "nothing")
            return
        yield self._repair(RepairKind.MISSING_MESSAGE, "the header ends before its first unknown word")
        yield from self._check_header(Channel.ANALYSIS if kind == RepairKind.REPEATED_START else Channel.FINAL)
        yield from self._close(None, self._header.rest)

    def _close_stray(self, number: int | None) -> Iterator[Output]:
        """Make a message of text that has no header at all."""
        channel = Channel.ANALYSIS if number == self._tokenizer.end else Channel.FINAL
        self._header = Header(author=_NO_HEADER.author, channel=channel.value)
        yield self._repair(RepairKind.MISSING_HEADER, f"channel {channel.value}")
        yield from self._close(number, self._tokenizer.decode(self._ordinary_ids()))

    def _close(self, terminator: int | None, tail: str) -> Iterator[Output]:
        """Complete the message with the last of its text."""
        if tail:
            yield self._delta(tail)
        if terminator is not None:
            self._ids.append(terminator)
            self._is_over = terminator in self._tokenizer.stop_ids
        header = self._header
        yield Message(
            author=header.author,
            content=("".join(self._text),),
            channel=header.channel,
            recipient=header.recipient,
            content_type=header.content_type,
            ids=tuple(self._ids),
        )
        self._reset()

    def _check_header(self, usual_channel: Channel) -> Iterator[Output]:
        """Report the header's faults, and give an answer that lacks its channel one."""
        header = self._header
        for kind, assumed in header.faults:
            yield self._repair(kind, assumed)
        is_assistant = self._dialect.role is not None and header.author.role == Role.ASSISTANT
        if is_assistant and header.channel is None and header.recipient is None:
            header.channel = usual_channel.value
            yield self._repair(RepairKind.MISSING_CHANNEL, header.channel)

    def _usual_channel(self) -> Channel:
        return Channel.ANALYSIS if self._is_first else Channel.FINAL

    def _read_header(self, *, is_complete: bool) -> None:
        segments = cut_header(self._ids, self._kinds, self._tokenizer)
        self._header = read_header(segments, self._dialect, is_complete=is_complete)

    def _ordinary_ids(self) -> list[int]:
        return [number for number in self._ids if number not in self._kinds]

    def _delta(self, text: str) -> Delta:
        self._text.append(text)
        return Delta(text=text, channel=self._header.channel, recipient=self._header.recipient)

    def _repair(self, kind: RepairKind, assumed: str) -> Repair:
        return Repair(kind=kind, position=self._position, assumed=assumed)

    def _drop(self, kind: RepairKind, assumed: str) -> Repair:
        """Report the ids so far as belonging to no message."""
        ids = tuple(self._ids)
        self._ids = []
        self._state = _State.BETWEEN
        return Repair(kind=kind, position=self._position, assumed=assumed, ids=ids)

    def _reset(self) -> None:
        self._state = _State.BETWEEN
        self._is_first = False
        self._ids = []
        self._text = []
        self._decoder.reset()
        self._header = _NO_HEADER


_Transition = Callable[[StreamParser, int], Iterator[Output]]
_TABLE: dict[_State, dict[Kind, _Transition]] = {
    _State.BETWEEN: {
        Kind.TEXT: StreamParser._stray,
        Kind.START: StreamParser._open,
        Kind.CHANNEL: StreamParser._open_without_start,
        Kind.MESSAGE: StreamParser._begin_without_header,
        Kind.CONSTRAIN: StreamParser._stray,
        Kind.TERMINATOR: StreamParser._end_stray,
        Kind.SPECIAL: StreamParser._stray,
    },
    _State.HEADER: {
        Kind.TEXT: StreamParser._collect,
        Kind.START: StreamParser._reopen,
        Kind.CHANNEL: StreamParser._collect,
        Kind.MESSAGE: StreamParser._begin,
        Kind.CONSTRAIN: StreamParser._collect,
        Kind.TERMINATOR: StreamParser._close_header,
        Kind.SPECIAL: StreamParser._collect,
    },
    _State.CONTENT: {
        Kind.TEXT: StreamParser._write,
        Kind.START: StreamParser._reopen_content,
        Kind.CHANNEL: StreamParser._reopen_content_without_start,
        Kind.MESSAGE: StreamParser._keep,
        Kind.CONSTRAIN: StreamParser._keep,
        Kind.TERMINATOR: StreamParser._close_content,
        Kind.SPECIAL: StreamParser._keep,
    },
}
_TRANSITIONS = {(state, kind): step for state, row in _TABLE.items() for kind, step in row.items()}
_ENDINGS: dict[_State, Callable[[StreamParser], Iterator[Output]]] = {
    _State.BETWEEN: StreamParser._finish_between,
    _State.HEADER: StreamParser._finish_header,
    _State.CONTENT: StreamParser._finish_content,
}
