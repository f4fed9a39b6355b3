"""What an agent reports while it works: one union that every front end reads."""

from dataclasses import dataclass
from enum import StrEnum

from ostinato.agent.budget import Spent
from ostinato.agent.usage import RunUsage
from ostinato.engine.interface import TokenLogprob
from ostinato.harmony import Message, Repair
from ostinato.harmony.grammar import Why
from ostinato.tools import CallRepair


class Reason(StrEnum):
    """Why a run ended."""

    ANSWERED = "answered"
    CUT = "cut"
    BUDGET = "budget"
    STUCK = "stuck"
    INTERRUPTED = "interrupted"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """More text on the analysis channel."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More text for the user: the final channel, or a commentary without recipient (`is_final` False)."""

    text: str
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """The model called a tool: `request` is its message, `tool` the recipient by the tool's own names."""

    request: Message
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A tool answered; `seconds` is how long it took.

    `full_text` is all that the tool said, if that was too long for the model; None if `reply` has it.
    """

    request: Message
    tool: str
    reply: Message
    seconds: float
    full_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAdded:
    """A message was appended to the conversation.

    With `Sampling.logprobs`, one that the model wrote has `logprobs` for each of its ids but those of the prompt.
    """

    message: Message
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """The model wrote something malformed, and this is how it was read."""

    repair: Repair | CallRepair


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningClosed:
    """Reasoning was made to end after so many `tokens`: it came to its limit, went in a loop, or was asked to end."""

    why: Why
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run is over; nothing follows.

    `text` is the final answer, or as much of it as there is. `usage` is the sum over all generations of the run.
    `detail` explains any reason but `answered`, and `spent` says which part of the budget a `budget` is about.
    `logprobs` are those of the answer's text, with `Sampling.logprobs`.
    """

    reason: Reason
    text: str
    usage: RunUsage
    turns: int
    seconds: float
    detail: str = ""
    spent: Spent | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


Event = ReasoningDelta | TextDelta | ToolStarted | ToolFinished | MessageAdded | Repaired | ReasoningClosed | Finished
