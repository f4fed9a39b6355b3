"""How long the model may reason: what it is told, and the limit it is held to."""

from enum import StrEnum
from typing import Final, Literal, NoReturn

from ostinato.harmony.preamble import ReasoningEffort

BY_EFFORT: Final = "effort"


class Effort(StrEnum):
    """An effort of reasoning; NONE is no reasoning at all, which only a grammar can ask of gpt-oss."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise ValueError(f"effort is {value!r}; there is {', '.join(cls)}")

    @property
    def told(self) -> ReasoningEffort:
        """What the system message says: gpt-oss knows three efforts."""
        return ReasoningEffort.LOW if self is Effort.NONE else ReasoningEffort(self)

    @property
    def analysis_limit(self) -> int:
        """How many tokens of reasoning one generation may have.

        The limits are there for reasoning that has lost its way, so they are several times what a hard task takes:
        gpt-oss-20b thinks 20,000 tokens on average about a problem of AIME at high effort (arXiv 2508.10925), and
        half of the context of 131,072 must be left for the conversation and the answer.
        """
        return _LIMITS[self]


def limit_of(asked: int | Literal["effort"] | None, effort: Effort, *, is_constrained: bool = True) -> int | None:
    """Return how many tokens of reasoning a generation may have, None for any number.

    Raises:
        ValueError: if no such number can be asked for, or one is and there is no grammar to hold the model to it.
    """
    limit = effort.analysis_limit if asked == BY_EFFORT else asked
    if limit is not None and not (isinstance(limit, int) and limit >= 0):
        raise ValueError(f"analysis_limit is {limit!r}; it must be 0 (no reasoning) or more, or None for no limit")
    if is_constrained:
        return limit
    if asks_for_limit(asked, effort):
        raise ValueError(f"analysis_limit is {limit!r}, which needs the grammar; leave is_constrained True")
    return None


def asks_for_limit(asked: int | Literal["effort"] | None, effort: Effort) -> bool:
    """Say whether a limit was asked for in so many words, rather than left to the effort."""
    return effort is Effort.NONE if asked == BY_EFFORT else asked is not None


_LIMITS = {Effort.NONE: 0, Effort.LOW: 4_096, Effort.MEDIUM: 16_384, Effort.HIGH: 65_536}
