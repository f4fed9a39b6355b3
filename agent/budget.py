"""What a run may spend before it is stopped."""

import time
from dataclasses import dataclass, replace
from enum import StrEnum

from ostinato.engine.interface import Sampling


class Spent(StrEnum):
    """Which part of a budget ran out."""

    TURNS = "turns"
    TOKENS = "tokens"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one run may spend: generations, sampled tokens, and time in seconds; None is no limit.

    Raises:
        ValueError: if a limit is not above zero.
    """

    turns: int | None = 50
    tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in Spent:
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ValueError(f"a budget of {limit!r} {name} allows nothing; give more than 0, or None for no limit")


class Account:
    """What one run has spent of its budget; it starts when it is made."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.started = time.monotonic()
        self.turns = 0
        self.tokens = 0

    @property
    def seconds(self) -> float:
        """How long the run has taken."""
        return time.monotonic() - self.started

    @property
    def deadline(self) -> float | None:
        """When the time is up, on the clock of `time.monotonic` and the event loop."""
        return None if self.budget.seconds is None else self.started + self.budget.seconds

    @property
    def spent(self) -> Spent | None:
        """What has run out, if anything has."""
        return next((name for name in Spent if self.has_spent(name)), None)

    def has_spent(self, name: Spent) -> bool:
        """Say whether this part of the budget has run out."""
        limit = getattr(self.budget, name)
        return limit is not None and getattr(self, name) >= limit

    def sampling(self, sampling: Sampling) -> Sampling:
        """Return `sampling` with a token limit that the budget can pay."""
        if self.budget.tokens is None:
            return sampling
        left = self.budget.tokens - self.tokens
        return replace(sampling, max_tokens=left if sampling.max_tokens is None else min(left, sampling.max_tokens))
