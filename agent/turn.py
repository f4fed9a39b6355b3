"""One generation of the model: ids in, events and messages out; no I/O."""

from collections.abc import Collection, Iterable

from ostinato.agent.events import Event, ReasoningDelta, Repaired, TextDelta
from ostinato.harmony import Channel, Delta, Message, Repair, StreamParser, Tokenizer
from ostinato.tools import is_call


class Turn:
    """What the model has said since its last prompt; `ids` are as sampled, `recipients` those it may call."""

    def __init__(self, tokenizer: Tokenizer, *, recipients: Collection[str] = ()) -> None:
        self.ids: list[int] = []
        self.messages: list[Message] = []
        self._tokenizer = tokenizer
        self._parser = StreamParser(tokenizer, recipients=recipients)
        self.is_closed = False

    @property
    def is_complete(self) -> bool:
        """Whether the model ended by itself, not by a token limit or an interruption."""
        return bool(self.ids) and self.ids[-1] in self._tokenizer.stop_ids

    @property
    def answer(self) -> str | None:
        """What the user gets: the last final message, or else what was said outside the reasoning."""
        spoken = [message for message in self.messages if self._is_spoken(message)]
        finals = [message for message in spoken if message.channel == Channel.FINAL]
        return (finals or spoken)[-1].text if spoken else None

    def feed(self, number: int) -> list[Event | Message]:
        """Take the next id; return what it brought, finished messages among it."""
        self.ids.append(number)
        return self._read(self._parser.feed(number))

    def close(self) -> list[Event | Message]:
        """End the generation and return what was unfinished, as far as it goes; once."""
        if self.is_closed:
            return []
        self.is_closed = True
        return self._read(self._parser.finish())

    def _is_spoken(self, message: Message) -> bool:
        """Say whether the user was meant; what was cut before its header ended may be a header, or reasoning."""
        is_known = self.is_complete or self._tokenizer.message in (message.ids or ())
        return is_known and message.channel != Channel.ANALYSIS and not is_call(message)

    def _read(self, items: Iterable[Delta | Message | Repair]) -> list[Event | Message]:
        read: list[Event | Message] = []
        for item in items:
            if isinstance(item, Message):
                self.messages.append(item)
                read.append(item)
            elif isinstance(item, Repair):
                read.append(Repaired(repair=item))
            elif event := _event(item):
                read.append(event)
        return read


def _event(delta: Delta) -> Event | None:
    """Return what a front end shows of a delta; the text of a call is shown once it is complete."""
    if not delta.text or delta.recipient is not None:
        return None
    if delta.channel == Channel.ANALYSIS:
        return ReasoningDelta(text=delta.text)
    return TextDelta(text=delta.text, is_final=delta.channel == Channel.FINAL)
