"""What an engine is: token ids in, token ids out."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

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

    temperature 0 takes the likeliest token. `top_k` 0, `top_p` 1 and `min_p` 0 switch these filters off; what is as
    likely as the last that is left stays too. `max_tokens` None means as many as the context holds.

    The penalties are about the ids of this generation, not of its prompt: `repetition_penalty` divides the positive
    logits of those that came and multiplies the negative ones (CTRL, arXiv 1909.05858), `frequency_penalty` is taken
    off for each time that an id came, `presence_penalty` once (as OpenAI's API has them). `logit_bias` is added to the
    logits of single ids: -100 or -inf bans an id, and inf leaves only those that have it. A constraint comes first: a
    ban of all that it allows is void.

    With `logprobs` the stream tells how likely each id was and which so many were likeliest; see `TokenLogprob`.

    A `seed` makes the draws repeatable: from the same logits come the same ids, whatever else the engine serves and on
    any number of threads. Logits summed in another order, by another CPU or other kernels, differ in their last
    digits, which changes an id only where a draw falls just between the two.

    Raises:
        ValueError: if a number is out of its range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict, hash=False)
    logprobs: int | None = None
    seed: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name, (kind, claim, is_right) in _RANGES.items():
            value = getattr(self, name)
            is_number = isinstance(value, kind) and not isinstance(value, bool)
            if not (is_right(value) if is_number else value is None and claim.endswith("or None")):
                raise ValueError(f"{name} is {value!r}; it must be {claim}")
        object.__setattr__(self, "logit_bias", _bias(self.logit_bias))


_RANGES: dict[str, tuple[type, str, Callable[[Any], bool]]] = {
    "temperature": (Real, "0 or more", lambda x: 0 <= x < math.inf),
    "top_p": (Real, "above 0 and at most 1", lambda x: 0 < x <= 1),
    "top_k": (Integral, "0 (off) or more", lambda x: x >= 0),
    "min_p": (Real, "from 0 to 1", lambda x: 0 <= x <= 1),
    "repetition_penalty": (Real, "above 0 (1 is off)", lambda x: 0 < x < math.inf),
    "frequency_penalty": (Real, "from -2 to 2 (0 is off)", lambda x: -2 <= x <= 2),
    "presence_penalty": (Real, "from -2 to 2 (0 is off)", lambda x: -2 <= x <= 2),
    "logprobs": (Integral, "from 0 to 20, or None", lambda x: 0 <= x <= 20),
    "seed": (Integral, "from 0 to 2^63 - 1, or None", lambda x: 0 <= x < 2**63),
    "max_tokens": (Integral, "0 or more, or None", lambda x: x >= 0),
}


def _bias(bias: object) -> dict[int, float]:
    """Return a bias as it is kept.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(bias, Mapping):
        raise ValueError(f"logit_bias is {bias!r}; it must be numbers by id, such as {{42: -100}}")
    for number, change in bias.items():
        if not isinstance(number, Integral) or isinstance(number, bool) or number < 0:
            raise ValueError(f"logit_bias has {number!r}; its keys must be ids, which are 0 or more")
        is_number = isinstance(change, Real) and not isinstance(change, bool)
        if not (is_number and (-100 <= change <= 100 or math.isinf(change))):
            raise ValueError(f"logit_bias of {number!r} is {change!r}; it must be from -100 to 100, or infinite")
    return {int(number): float(change) for number, change in bias.items()}


@dataclass(slots=True, kw_only=True)
class Usage:
    """Tokens of one generation: in the prompt, of these taken from the cache, and sampled so far."""

    prompt: int = 0
    cached: int = 0
    sampled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """How likely a sampled id was: the natural logarithm of its probability, and the likeliest ids with theirs.

    It is the model's own distribution, as OpenAI's API has it: before temperature, filters, penalties and bias. Under a
    constraint it is that distribution among the ids that were allowed, so what was forced has 0. `top` begins with the
    likeliest; the id that was sampled need not be among them, and there are fewer where fewer are allowed.
    """

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


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

    An asynchronous iterator that computes only when asked for the next id. With `Sampling.logprobs`, `logprobs` has one
    for each id that was read; without, or from an engine that cannot tell, it stays empty.
    """

    usage: Usage
    logprobs: list[TokenLogprob]

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
