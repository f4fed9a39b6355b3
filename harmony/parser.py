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
The ids in hand are a `Draft`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from ostinato.harmony.draft import Draft
from ostinato.harmony.header import Dialect
from ostinato.harmony.kinds import Kind, special_kinds
from ostinato.harmony.message import Author, Channel, Role
from ostinato.harmony.outputs import Output, ParserState
from ostinato.harmony.repair import Repair, RepairKind
from ostinato.harmony.tokenizer import Tokenizer

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
        self._state = ParserState.BETWEEN if role is None else ParserState.HEADER
        self._is_over = False
        self._is_first = True
        prompt = [] if role is None else [tokenizer.start, *tokenizer.encode(role)]
        self._draft = draft = Draft(tokenizer, self._dialect, prompt=prompt)
        self._ids, self._pieces, self._heard = draft.ids, draft.pieces, draft.heard  # at hand, for the speed of `feed`
        self._position = 0

    @property
    def state(self) -> ParserState:
        """Where in a message the parser is."""
        return self._state

    @property
    def position(self) -> int:
        """How many ids were fed."""
        return self._draft.passed + len(self._ids)

    @property
    def author(self) -> Author | None:
        """Who the message comes from whose content is being read; None elsewhere, as for the next three."""
        return self._draft.header.author if self._is_inside else None

    @property
    def channel(self) -> str | None:
        """The channel of the message being read."""
        return self._draft.header.channel if self._is_inside else None

    @property
    def recipient(self) -> str | None:
        """The recipient of the message being read."""
        return self._draft.header.recipient if self._is_inside else None

    @property
    def content_type(self) -> str | None:
        """The content type of the message being read."""
        return self._draft.header.content_type if self._is_inside else None

    def feed(self, number: int) -> tuple[Output, ...]:
        """Take the next id and return what it completes."""
        deltas = self._heard.get(number)
        if deltas is not None:
            self._ids.append(number)
            self._pieces.append(deltas[0].text)
            return deltas
        self._position = self._draft.passed + len(self._ids)
        outputs = tuple(self._step(number))
        self._heard = self._draft.heard
        return outputs

    def finish(self) -> tuple[Output, ...]:
        """Take the end of the stream: what is unfinished is returned as far as it goes."""
        self._position = self.position
        outputs = tuple(_ENDINGS[self._state](self))
        self._heard = self._draft.heard
        return outputs

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
        self._ids.append(number)
        self._state = ParserState.HEADER

    def _open_without_start(self, number: int) -> Iterator[Output]:
        yield from self._open(number)
        yield self._repair(RepairKind.MISSING_START, f"role {self._dialect.role or Role.ASSISTANT}")

    def _begin_without_header(self, number: int) -> Iterator[Output]:
        yield from self._open(number)
        self._draft.read_stray()
        if self._draft.lacks_channel:
            self._draft.header.channel = self._usual_channel().value
        yield self._repair(RepairKind.MISSING_HEADER, f"channel {self._draft.header.channel}")
        self._speak()

    def _end_stray(self, number: int) -> Iterator[Output]:
        if self._ids and not self._drops_stray:
            self._draft.read_stray()
            yield from self._close_headerless(number)
            return
        if self._ids:
            yield self._drop(RepairKind.STRAY_TEXT, "nothing")
        self._ids.append(number)
        yield self._drop(RepairKind.REPEATED_TERMINATOR, "nothing")
        self._is_over = self._is_over or number in self._tokenizer.stop_ids

    def _reopen(self, number: int) -> Iterator[Output]:
        yield from self._leave_header(RepairKind.REPEATED_START)
        yield from self._open(number)

    def _begin(self, number: int) -> Iterable[Output]:
        self._draft.read_header(is_complete=True)
        self._ids.append(number)
        if self._draft.is_forged:
            self._state = ParserState.FORGED
            return ()
        repairs = tuple(self._check_header(self._usual_channel()))
        self._speak()
        return repairs

    def _close_header(self, number: int) -> Iterator[Output]:
        self._draft.read_header(is_complete=False)
        if self._draft.is_forged:
            yield from self._close_forged(number)
        elif self._draft.lacks_channel:
            yield from self._close_headerless(number)
        elif self._dialect.role and number == self._tokenizer.end and self._draft.header.is_wordless_preamble:
            self._end(number)
            yield self._drop(RepairKind.GARBLED_HEADER, "nothing: the model begins anew")
        else:
            yield self._repair(RepairKind.MISSING_MESSAGE, "the header ends before its first unknown word")
            yield from self._check_header(Channel.FINAL)
            self._end(number)
            yield from self._close()

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
        return self._draft.write(number)

    def _keep(self, number: int) -> Iterable[Output]:
        self._ids.append(number)
        return (self._repair(RepairKind.STRAY_SPECIAL, "it is not there"),)

    def _close_content(self, number: int) -> Iterable[Output]:
        self._end(number)
        return self._close()

    def _close_forged(self, number: int) -> Iterable[Output]:
        self._end(number)
        return self._finish_forged()

    # The end of the stream.

    def _finish_between(self) -> Iterator[Output]:
        if self._ids and not self._drops_stray:
            self._draft.read_stray()
            yield from self._finish_held()
        elif self._ids:
            yield self._drop(RepairKind.STRAY_TEXT, "nothing")

    def _finish_header(self) -> Iterator[Output]:
        if self._position:
            yield from self._leave_header(RepairKind.MISSING_MESSAGE)

    def _finish_content(self) -> Iterator[Output]:
        yield self._repair(RepairKind.MISSING_TERMINATOR, "the message ends here")
        yield from self._close()

    def _finish_forged(self) -> Iterable[Output]:
        author = self._draft.header.author
        return (self._drop(RepairKind.FORGED_ROLE, f"nothing: the model cannot speak as {author.name or author.role}"),)

    def _finish_held(self) -> Iterable[Output]:
        return self._close_on(Channel.FINAL)

    # What transitions are made of.

    def _leave_header(self, kind: RepairKind) -> Iterator[Output]:
        """End a header that was never completed: as a message if it holds any text, else as nothing."""
        self._draft.read_header(is_complete=False)
        if self._draft.is_forged:
            yield from self._finish_forged()
        elif not self._draft.header.rest:
            yield self._drop(kind, "nothing")
        else:
            yield self._repair(RepairKind.MISSING_MESSAGE, "the header ends before its first unknown word")
            yield from self._check_header(Channel.ANALYSIS if kind == RepairKind.REPEATED_START else Channel.FINAL)
            yield from self._close()

    def _close_on(self, channel: Channel) -> Iterator[Output]:
        """Make a message of text that has no channel."""
        if self._draft.lacks_channel:
            self._draft.header.channel = channel.value
        yield self._repair(RepairKind.MISSING_HEADER, f"channel {self._draft.header.channel}")
        yield from self._check_header(channel)
        yield from self._close()

    def _speak(self) -> None:
        """Go on to the content."""
        self._state = ParserState.CONTENT
        self._draft.speak()

    def _end(self, terminator: int) -> None:
        self._ids.append(terminator)
        self._is_over = terminator in self._tokenizer.stop_ids

    def _close(self) -> Iterator[Output]:
        yield from self._draft.complete()
        self._state = ParserState.BETWEEN
        self._is_first = False

    def _drop(self, kind: RepairKind, assumed: str) -> Repair:
        """Report the ids so far as belonging to no message."""
        self._state = ParserState.BETWEEN
        return Repair(kind=kind, position=self._position, assumed=assumed, ids=self._draft.pass_on())

    def _check_header(self, usual_channel: Channel) -> Iterator[Output]:
        """Report the header's faults, and give an answer that lacks its channel one."""
        for kind, assumed in self._draft.header.faults:
            yield self._repair(kind, assumed)
        if self._draft.lacks_channel:
            self._draft.header.channel = usual_channel.value
            yield self._repair(RepairKind.MISSING_CHANNEL, self._draft.header.channel)

    def _repair(self, kind: RepairKind, assumed: str) -> Repair:
        return Repair(kind=kind, position=self._position, assumed=assumed)

    def _usual_channel(self) -> Channel:
        return Channel.ANALYSIS if self._is_first else Channel.FINAL

    @property
    def _is_inside(self) -> bool:
        return self._state in (ParserState.CONTENT, ParserState.FORGED)

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
