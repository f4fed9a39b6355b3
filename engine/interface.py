"""What an engine is: token ids in, token ids out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A few ids themselves, or one bit for each id of the vocabulary: id i is bit i % 8 of byte i // 8. Ids beyond the last
# byte are not allowed. None at all ends the generation.
Allowed: TypeAlias = "Sequence[int] | NDArray[np.uint8]"


class EngineError(Exception):
    """An engine cannot do what was asked; the message says why and what to do.

    EngineError
    ├── CheckpointError   weights are missing, corrupt or of another architecture
    └── PromptTooLong     the prompt does not fit the model's context
    """


class CheckpointError(EngineError):
    """A checkpoint cannot be used; the message names the file or tensor."""


class PromptTooLong(EngineError):  # noqa: N818  (a condition of the prompt, read as a claim)
    """The prompt leaves no room for an answer in the model's context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen. The defaults are those gpt-oss was tuned for.

    temperature 0 takes the likeliest token. `top_k` 0, `top_p` 1 and `min_p` 0 switch these filters off.
    `max_tokens` None means as many as the context holds. A `seed` makes the choice repeatable.

    Raises:
        ValueError: if a number is out of its range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature!r}; it must be 0 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p!r}; it must be above 0 and at most 1")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k!r}; it must be 0 (off) or more")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p is {self.min_p!r}; it must be from 0 to 1")
        if self.max_tokens is not None and self.max_tokens < 0:
            raise ValueError(f"max_tokens is {self.max_tokens!r}; it must be 0 or more, or None")


@dataclass(slots=True, kw_only=True)
class Usage:
    """Tokens of one generation: in the prompt, of these taken from the cache, and sampled so far."""

    prompt: int = 0
    cached: int = 0
    sampled: int = 0


class Constraint(Protocol):
    """Which ids may come next in one generation, step by step; the engine asks, chooses, and says what it chose.

    It never raises and is used by one step at a time, in whatever thread computes it. An array that `allowed` returns
    is not changed later, and is the same object where the same ids are allowed.
    """

    @property
    def lark(self) -> str:
        """The same language as a Lark grammar of llguidance, for an engine that masks elsewhere."""

    def allowed(self) -> Allowed:
        """Return the ids that may come next."""

    def accept(self, number: int) -> None:
        """Take the id that came."""


class TokenStream(Protocol):
    """The ids of one generation as they are sampled, the stop id included; `usage` is up to date at each.

    An asynchronous iterator that computes only when asked for the next id.
    """

    usage: Usage

    def __aiter__(self) -> Self:
        """Return the stream itself."""

    async def __anext__(self) -> int:
        """Return the next id. Cancelling the task that waits for it ends the generation."""

    async def aclose(self) -> None:
        """End the generation and free what it holds."""


class Engine(Protocol):
    """A model that continues token ids. It knows nothing of text, messages or tools."""

    name: str
    vocab_size: int
    context_length: int

    def stream(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Collection[int],
        constraint: Constraint | None = None,
    ) -> TokenStream:
        """Continue `ids` until one of `stop_ids` (which is yielded), the token limit, or the end of the context.

        A `constraint` is fresh and belongs to this generation. An engine that cannot keep to it ignores it.

        Raises:
            PromptTooLong: if `ids` fill the context, on the first step.
        """

    async def aclose(self) -> None:
        """Free the model."""
