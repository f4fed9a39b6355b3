"""Generation: one sequence being continued, a step at a time, without threads or an event loop."""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# T tokens read, D model

from collections.abc import Collection, Sequence

import numpy as np
from torch import Tensor

from ostinato.engine.interface import Constraint, EngineError, PromptTooLong, Sampling
from ostinato.engine.kv_cache import KVCache
from ostinato.engine.mask import Masks
from ostinato.engine.model import Transformer
from ostinato.engine.sampler import Sampler

_CHUNK = 256  # prompt tokens in a step, so that a long prompt can be given up quickly
_SCORES = 2**26  # attention scores of a step, which bounds its memory: 256 MiB in float32


class KeptCache:
    """The cache of the last finished generation, for a prompt that begins the same."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._cache: KVCache | None = None

    def keep(self, ids: list[int], cache: KVCache) -> None:
        """Keep a cache and the ids it has seen, instead of the one kept before."""
        self._ids, self._cache = ids, cache

    def take(self, ids: Sequence[int]) -> KVCache | None:
        """Hand over the cache, rewound to the longest prefix of `ids` but for one, which is left to compute.

        None means that nothing is shared, or that sliding layers no longer hold what the prefix needs.
        """
        shared = _shared_length(self._ids, ids[:-1])
        if self._cache is None or shared == 0 or not self._cache.rewind(shared):
            return None
        cache = self._cache
        self.clear()
        return cache

    def clear(self) -> None:
        """Free the cache."""
        self._ids, self._cache = [], None


class Generation:
    """One sequence being continued. Each `step` reads a piece of the prompt or chooses an id.

    Ids that a constraint forces are not computed: they are appended together, and read with the next id's step.
    """

    def __init__(
        self,
        model: Transformer,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Collection[int],
        kept: KeptCache,
        constraint: Constraint | None = None,
    ) -> None:
        _check(ids, model)
        self._model, self._kept, self._stop_ids = model, kept, frozenset(stop_ids)
        self._constraint, self._masks = constraint, Masks(device=model.device)
        self._sampler = Sampler(sampling, device=model.device)
        room = model.config.context_length - len(ids)
        self._limit = room if sampling.max_tokens is None else min(room, sampling.max_tokens)
        self._cache = kept.take(ids) or model.new_cache()
        self._ids = list(ids)
        self.num_cached = self._cache.length
        self._num_sampled = 0
        self.is_finished = self._limit == 0

    def step(self) -> list[int]:
        """Do one piece of work; return the ids it brought, none while the prompt is being read or after the end."""
        if self.is_finished:
            return []
        ids = [] if self._num_sampled else self._take_forced()
        if self.is_finished:
            return ids
        begin = self._cache.length
        end = min(begin + self._chunk(), len(self._ids))
        read_TD = self._model.advance(self._ids[begin:end], self._cache)
        if end == len(self._ids):
            ids += self._choose(read_TD[-1:])
            ids += self._take_forced()
        return ids

    def _choose(self, last_1D: Tensor) -> list[int]:
        """Choose the next id among those that are allowed; there is none if none is."""
        if self._constraint is None:
            return self._take(self._sampler.choose(self._model.logits(last_1D)[0]))
        allowed = self._constraint.allowed()
        if isinstance(allowed, np.ndarray):
            logits_V = self._masks.apply(self._model.logits(last_1D)[0], allowed)
            return self._take(self._sampler.choose(logits_V))
        if not allowed:
            self._finish()
            return []
        rows = sorted(allowed)  # so that equals are chosen between as among all
        return self._take(rows[self._sampler.choose(self._model.logits(last_1D, rows=rows)[0])])

    def _take_forced(self) -> list[int]:
        """Take ids as long as there is no choice."""
        ids: list[int] = []
        while self._constraint and not self.is_finished:
            allowed = self._constraint.allowed()
            if isinstance(allowed, np.ndarray) or len(allowed) != 1:
                break
            ids += self._take(allowed[0])
        return ids

    def _take(self, token: int) -> list[int]:
        if self._constraint:
            self._constraint.accept(token)
        self._num_sampled += 1
        if token in self._stop_ids or self._num_sampled == self._limit:
            self._finish()
        else:
            self._ids.append(token)
        return [token]

    def _finish(self) -> None:
        self.is_finished = True
        self._kept.keep(self._ids[: self._cache.length], self._cache)  # forced ids at the end were not read

    def _chunk(self) -> int:
        scores_per_token = self._model.config.num_query_heads * (self._cache.length + _CHUNK)
        return max(1, min(_CHUNK, _SCORES // scores_per_token))


def _check(ids: Sequence[int], model: Transformer) -> None:
    config = model.config
    if not ids:
        raise EngineError("the prompt is empty; give at least one id")
    if len(ids) >= config.context_length:
        raise PromptTooLong(
            f"the prompt has {len(ids)} tokens; the context holds {config.context_length}, answer included"
        )
    wrong = next((token for token in ids if not 0 <= token < config.vocab_size), None)
    if wrong is not None:
        raise EngineError(f"no id {wrong!r} in a vocabulary of {config.vocab_size}; is this the model's own tokenizer?")


def _shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))
