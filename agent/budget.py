"""What a run may spend before it is stopped."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from ostinato.engine.interface import Sampling

T = TypeVar("T")


class OutOfTime(Exception):  # noqa: N818  (states a condition)
    """The time of a run is up."""


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

    async def in_time(self, awaitable: Awaitable[T]) -> T:
        """Wait as long as the budget allows; a timeout of the awaited thing itself passes through.

        Raises:
            OutOfTime: if the time is up first.
        """
        if self.budget.seconds is None:
            return await awaitable
        timeout = asyncio.timeout(self.budget.seconds - self.seconds)
        try:
            async with timeout:
                return await awaitable
        except TimeoutError:
            if timeout.expired():
                raise OutOfTime from None
            raise
