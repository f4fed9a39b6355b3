"""One generation of the model: ids in, events and messages out; no I/O."""

from collections.abc import Collection, Iterable

from ostinato.agent.events import Event, MessageAdded, ReasoningDelta, Repaired, TextDelta
from ostinato.agent.usage import RunUsage, content_places, split
from ostinato.engine.interface import TokenLogprob, Usage
from ostinato.harmony import Channel, Delta, Message, Repair, Role, StreamParser, Tokenizer
from ostinato.tools import is_call


class Turn:
    """What the model has said since its last prompt; `ids` are as sampled, `recipients` those it may call.

    `usage` is the engine's own, kept up to date by its stream. `logprobs` has one for each id if they were asked for.
    """

    def __init__(self, tokenizer: Tokenizer, *, recipients: Collection[str] = (), usage: Usage | None = None) -> None:
        self.ids: list[int] = []
        self.logprobs: list[TokenLogprob] = []
        self.messages: list[Message] = []
        self._tokenizer = tokenizer
        self._parser = StreamParser(tokenizer, recipients=recipients)
        self.is_closed = False
        self._usage = usage or Usage()
        self._spent = RunUsage()
        self._contents: list[tuple[TokenLogprob, ...]] = []  # of each message
        self._passed = -len([tokenizer.start, *tokenizer.encode(Role.ASSISTANT)])  # the prompt's are the parser's first

    @property
    def is_complete(self) -> bool:
        """Whether the model ended by itself, not by a token limit or an interruption."""
        return bool(self.ids) and self.ids[-1] in self._tokenizer.stop_ids

    @property
    def usage(self) -> RunUsage:
        """What the generation has taken, and what for: exact once it is closed."""
        spent = self._spent
        control = len(self.ids) - spent.reasoning - spent.calls - spent.answer
        own = RunUsage(prompt=self._usage.prompt, cached=self._usage.cached, sampled=len(self.ids), control=control)
        return own + spent

    @property
    def answer(self) -> str | None:
        """What the user gets: the last final message, or else what was said outside the reasoning."""
        index = self._answer_index
        return None if index is None else self.messages[index].text

    @property
    def answer_logprobs(self) -> tuple[TokenLogprob, ...]:
        """How likely the ids of the answer's text were, if that was asked for."""
        index = self._answer_index
        return () if index is None else self._contents[index]

    def feed(self, number: int, logprob: TokenLogprob | None = None) -> list[Event]:
        """Take the next id; return what it brought, finished messages among it."""
        self.ids.append(number)
        if logprob is not None:
            self.logprobs.append(logprob)
        return self._read(self._parser.feed(number))

    def close(self) -> list[Event]:
        """End the generation and return what was unfinished, as far as it goes; once."""
        if self.is_closed:
            return []
        self.is_closed = True
        return self._read(self._parser.finish())

    @property
    def _answer_index(self) -> int | None:
        spoken = [index for index, message in enumerate(self.messages) if self._is_spoken(message)]
        finals = [index for index in spoken if self.messages[index].channel == Channel.FINAL]
        return (finals or spoken)[-1] if spoken else None

    def _is_spoken(self, message: Message) -> bool:
        """Say whether the user was meant; what was cut before its header ended may be a header, or reasoning."""
        is_known = self.is_complete or self._tokenizer.message in (message.ids or ())
        return is_known and message.channel != Channel.ANALYSIS and not is_call(message)

    def _read(self, items: Iterable[Delta | Message | Repair]) -> list[Event]:
        read: list[Event] = []
        for item in items:
            if isinstance(item, Message):
                read.append(self._added(item))
            elif isinstance(item, Repair):
                self._passed += len(item.ids)
                read.append(Repaired(repair=item))
            elif event := _event(item):
                read.append(event)
        return read

    def _added(self, message: Message) -> MessageAdded:
        """Count the message in: its ids follow those of the last message or repair."""
        begin, self._passed = max(self._passed, 0), self._passed + len(message.ids or ())
        places = content_places(message, self.ids[begin : self._passed], self._tokenizer)
        is_told = len(self.logprobs) == len(self.ids)
        logprobs = self.logprobs[begin : self._passed] if is_told else []
        self.messages.append(message)
        self._contents.append(tuple(logprobs[place] for place in places) if logprobs else ())
        self._spent += split(message, len(places))
        return MessageAdded(message=message, logprobs=tuple(logprobs))


def _event(delta: Delta) -> Event | None:
    """Return what a front end shows of a delta; the text of a call is shown once it is complete."""
    if not delta.text or delta.recipient is not None:
        return None
    if delta.channel == Channel.ANALYSIS:
        return ReasoningDelta(text=delta.text)
    return TextDelta(text=delta.text, is_final=delta.channel == Channel.FINAL)
