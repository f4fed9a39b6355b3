"""What a model does in one step: several sequences, each with the ids it is to see next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from ostinato.engine.config import ModelConfig


class OutOfMemory(Exception):  # noqa: N818  (states a condition)
    """The memory set aside for keys and values is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What the buffers of a cache hold: how many tokens, the marks (length, is anchor), and pieces of its own."""

    length: int
    marks: list[tuple[int, bool]]
    pieces: list[int]


class Cache(Protocol):
    """The keys and values of one sequence. `length` counts the tokens it has seen."""

    def advance(self, count: int) -> None:
        """Count tokens as seen that were guessed rightly."""

    @property
    def length(self) -> int:
        """Count the tokens seen so far."""

    def reserve(self, length: int) -> None:
        """Take the memory that `length` tokens need, so that another sequence cannot.

        Raises:
            OutOfMemory: if there is not enough; what was taken stays.
        """

    def trim(self) -> None:
        """Give back what was reserved and is not needed, as far as that is worth it."""

    def mark(self, *, is_anchor: bool = False) -> None:
        """Keep what a sequence needs to branch off here, or shortly before; an anchor is kept for longer."""

    def branching_point(self, length: int) -> int:
        """Return the longest length, `length` at most, at which another sequence can branch off; 0 is none."""

    def branch(self, length: int) -> Self:
        """Return the cache of a sequence that has seen the first `length` tokens; ask `branching_point` first.

        Raises:
            OutOfMemory: if there is no room for it.
        """

    def outline(self) -> Outline:
        """Say what `buffers` hold."""

    def restore(self, outline: Outline) -> None:
        """Make an empty cache one whose `buffers` are to be filled.

        Raises:
            OutOfMemory: if there is no room for it; `free` what was taken.
            ValueError: if there is no such sequence.
        """

    def buffers(self) -> list[memoryview]:
        """Return the memory that holds what was seen, for as long as nothing more is seen, to be written or filled."""

    def free(self) -> None:
        """Give the memory back."""


C = TypeVar("C", bound=Cache)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[C]):
    """The ids that one sequence sees in a step. `rows` are the ids whose logits are wanted, None for all.

    `guesses` are ids that may follow: they are computed as if they did, and counted as seen by who finds them right.

    `is_exact` asks for the precision of decoding, where a model reads long prompts with less: it must not hang on how
    much of a prompt fits a step, or what a sequence says would depend on the others.
    """

    cache: C
    ids: Sequence[int]
    wants_logits: bool
    rows: Sequence[int] | None = None
    guesses: Sequence[int] = ()
    is_exact: bool = True


class Model(Protocol[C]):
    """Weights that can be stepped. `most_ids` is how many ids a step should have at most; `backend` what computes.

    `cache_tokens` is how long the longest sequence is that the memory for keys and values holds, `cache_layout` names
    how they lie there, and `most_guesses` is how many guesses of a sequence are worth a step.
    """

    config: ModelConfig
    device: torch.device
    most_ids: int
    backend: str
    cache_tokens: int
    cache_layout: str
    most_guesses: int

    def new_cache(self) -> C:
        """Return the cache of a sequence that has seen nothing."""

    def step(self, works: Sequence[Work[C]]) -> list[Tensor | None]:
        """Let each sequence see its ids; return the logits after the last id of those that want them, [V] float32.

        With guesses they are [1 + guesses, V]: after the last id, and after each guess.

        Raises:
            OutOfMemory: if there is no room for them; no sequence has then moved.
        """

    def close(self) -> None:
        """Free what the model holds besides memory."""
