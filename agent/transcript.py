"""Transcript: an agent's conversation, as ids for the model, and its record on disk, all three in step."""

from collections.abc import Iterable
from dataclasses import asdict, replace

from ostinato.agent.effort import Effort
from ostinato.agent.events import Event, MessageAdded, ReasoningClosed, Repaired
from ostinato.agent.trajectory import Trajectory
from ostinato.agent.turn import Turn
from ostinato.engine.interface import TokenLogprob
from ostinato.harmony import Conversation, Message, Renderer, Role, SystemContent, Tokenizer
from ostinato.tools import is_call, reply_to


class Transcript:
    """What was said, and what happened; `unanswered` are the calls that have no reply yet."""

    def __init__(self, tokenizer: Tokenizer, trajectory: Trajectory | None) -> None:
        self.conversation = Conversation()
        self.unanswered: list[Message] = []
        self._renderer = Renderer(self.conversation, tokenizer)
        self._trajectory = trajectory

    def prompt(self) -> list[int]:
        """Return the ids that the model is to go on from."""
        return self._renderer.ids()

    def record(self, kind: str, /, **fields: object) -> None:
        """Record what is no message."""
        if self._trajectory:
            self._trajectory.write(kind, **fields)

    def add(self, message: Message, logprobs: Iterable[TokenLogprob] = ()) -> MessageAdded:
        """Append a message."""
        self.conversation.append(message)
        if is_call(message):
            self.unanswered.append(message)
        elif message.author.role == Role.TOOL:
            del self.unanswered[0]
        if self._trajectory:
            self._trajectory.write_message(message)
        return MessageAdded(message=message, logprobs=tuple(logprobs))

    def take(self, event: Event) -> Event:
        """Keep what an event brings."""
        if isinstance(event, MessageAdded):
            return self.add(event.message, event.logprobs)
        if isinstance(event, Repaired):
            self.record("repair", repair=asdict(event.repair))
        elif isinstance(event, ReasoningClosed):
            self.record("closed", **asdict(event))
        return event

    def close(self, turn: Turn | None) -> list[Event]:
        """Take what the parser of a generation still holds, once, and record it."""
        if turn is None or turn.is_closed:
            return []
        events = [self.take(event) for event in turn.close()]
        told = {"logprobs": [(each.logprob, each.top) for each in turn.logprobs]} if turn.logprobs else {}
        self.record("turn", ids=turn.ids, is_complete=turn.is_complete, usage=asdict(turn.usage), **told)
        return events

    def settle(self, turn: Turn | None, why: str) -> list[Event]:
        """Leave a conversation that can go on: the generation closed, and every call with a reply."""
        events = self.close(turn)
        while self.unanswered:
            events.append(self.add(reply_to(self.unanswered[0], f"error: no result: {why}")))
        return events

    def tell_effort(self, effort: Effort, analysis_limit: int | None) -> None:
        """Let the system message say another effort, if it is another to the model, and record it."""
        (system,) = self.conversation[0].content
        assert isinstance(system, SystemContent)
        if system.reasoning_effort != effort.told:
            self.conversation.revise(0, Message.system(replace(system, reasoning_effort=effort.told)))
            self._renderer.revise(0)
        if self._trajectory:
            self._trajectory.write_message(
                self.conversation[0], kind="effort", effort=effort, analysis_limit=analysis_limit
            )
