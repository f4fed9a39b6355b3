"""One run of an agent: what it has done and spent so far, and whether it goes on."""

from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from ostinato.agent.budget import Account, Budget, Spent
from ostinato.agent.events import Finished, Reason
from ostinato.agent.turn import Turn
from ostinato.agent.usage import RunUsage
from ostinato.engine.interface import TokenLogprob
from ostinato.harmony import Message, Repair
from ostinato.tools import Answer, CallRepair, is_call

T = TypeVar("T")

SAME_CALLS = 3  # the same call with the same result this often, and nothing new in between, is a loop
SILENT_TURNS = 2  # after so many generations with neither a call nor an answer the model is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a run.

    `text` is the answer, or as much as there is, and `logprobs` how likely its ids were, with `Sampling.logprobs`.
    `messages` are all that the run added to the conversation, and `repairs` all that was malformed in what the model
    wrote. `usage` says what its tokens were spent on.
    """

    text: str
    reason: Reason
    usage: RunUsage
    turns: int
    seconds: float
    messages: tuple[Message, ...]
    repairs: tuple[Repair | CallRepair, ...] = ()
    detail: str = ""
    spent: Spent | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


_Call = tuple[str | None, str, str]  # recipient, content and result


class Run:
    """The ledger of one run. The agent acts; this only counts and judges."""

    def __init__(self, budget: Budget) -> None:
        self.account = Account(budget)
        self._past = RunUsage()
        self.turn: Turn | None = None
        self.is_abandoned = False
        self.is_asked = False  # for the answer
        self._silent_turns = 0
        self._calls: set[_Call] = set()
        self._repeats: Counter[_Call] = Counter()  # since the last call that was new

    def begin(self, turn: Turn) -> None:
        """Count a generation that begins."""
        self._past = self.usage
        self.turn = turn
        self.account.turns += 1

    @property
    def usage(self) -> RunUsage:
        """What all generations have taken."""
        return self._past + self.turn.usage if self.turn else self._past

    def count_call(self, call: Message, answer: Answer) -> None:
        """Remember a call and what came of it; what is asked of a tool that does not exist makes no difference."""
        made = (call.recipient, call.text if answer.tool else "", answer.reply.text)
        if made not in self._calls:
            self._calls.add(made)
            self._repeats.clear()
        self._repeats[made] += 1

    async def in_time(self, awaitable: Awaitable[T]) -> T:
        """Wait as long as the budget allows.

        Raises:
            OutOfTime: if the time is up first.
            RuntimeError: if the run was abandoned meanwhile.
        """
        result = await self.account.in_time(awaitable)
        self.insist()
        return result

    def insist(self) -> None:
        """Refuse to go on with a run that was abandoned: the conversation belongs to another one.

        Raises:
            RuntimeError: if it was.
        """
        if self.is_abandoned:
            raise RuntimeError("another run began on this agent, or it was closed; give each task an agent of its own")

    def verdict(self) -> Finished | None:
        """Say how the run ends, None if it goes on: before the first generation, and after each with its calls."""
        if self.turn and (finished := self._verdict_on(self.turn)):
            return finished
        if max(self._repeats.values(), default=0) >= SAME_CALLS:
            return self.finished(Reason.STUCK, f"the same call brought the same result {SAME_CALLS} times")
        if spent := self.account.spent:
            return self.out_of(spent)
        return None

    def out_of(self, spent: Spent) -> Finished:
        """Say that a part of the budget is spent."""
        limit = getattr(self.account.budget, spent)
        return self.finished(Reason.BUDGET, f"the budget of {spent} ({limit}) is spent", spent=spent)

    def finished(self, reason: Reason, detail: str = "", *, spent: Spent | None = None) -> Finished:
        """Say that the run is over."""
        turn = None if self.turn is None or _has_called(self.turn) else self.turn
        return Finished(
            reason=reason,
            text=(turn and turn.answer) or "",
            logprobs=turn.answer_logprobs if turn else (),
            usage=self.usage,
            turns=self.account.turns,
            seconds=self.account.seconds,
            detail=detail,
            spent=spent,
        )

    def _verdict_on(self, turn: Turn) -> Finished | None:
        if not turn.is_complete:
            if self.account.has_spent(Spent.TOKENS):
                return self.out_of(Spent.TOKENS)
            return self.finished(Reason.CUT, "the model came to its token limit before the end of a message")
        if _has_called(turn):
            self._silent_turns = 0
            return None
        if turn.answer:
            return self.finished(Reason.ANSWERED)
        self._silent_turns += 1
        return self.finished(Reason.ERROR, "the model gave no answer") if self._silent_turns >= SILENT_TURNS else None


def _has_called(turn: Turn) -> bool:
    return any(is_call(message) for message in turn.messages)
