"""Generation: one sequence being continued, step by step, without threads or an event loop."""

# ruff: noqa: N806  (arrays carry their shape)
# V vocabulary, or the ids that may come next

from collections.abc import Collection, Sequence
from typing import Generic

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ostinato.engine.batch import C, Model, Work
from ostinato.engine.config import ModelConfig
from ostinato.engine.interface import Constraint, EngineError, PromptTooLong, Sampling, TokenLogprob
from ostinato.engine.lookup import Lookup
from ostinato.engine.mask import Masks
from ostinato.engine.sampler import Sampler

_SHORT = 16  # ids up to which a prompt is read as precisely as it is continued
_STRIDE = 32  # pieces of a prompt end at its multiples, so that they are the same beside others and alone


class Generation(Generic[C]):
    """One sequence. A step takes its `work`, and `take` chooses an id by what came of it.

    Ids that a constraint forces are not computed: they are appended together, and seen with the next id's step.
    `new_ids` are the ids it brought since they were last read, and `new_logprobs` how likely each was, if that was
    asked for. `cache` is None while it waits. `num_cached` is how much of the prompt had been seen when it first began.
    """

    def __init__(
        self,
        model: Model[C],
        ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Collection[int],
        constraint: Constraint | None = None,
    ) -> None:
        _check(ids, model.config)
        self.ids = list(ids)
        self.num_prompt = len(self.ids)
        self.cache: C | None = None
        self.num_cached: int | None = None
        self.new_ids: list[int] = []
        self.new_logprobs: list[TokenLogprob] = []
        self._stop_ids = frozenset(stop_ids)
        self._constraint, self._masks = constraint, Masks()
        self._mask: NDArray[np.uint8] | None = None  # what may come next is in one of these, or anything may
        self._rows: Sequence[int] | None = None
        self._sampler = Sampler(sampling, vocab_size=model.config.vocab_size)
        room = model.config.context_length - self.num_prompt
        self._limit = room if sampling.max_tokens is None else min(room, sampling.max_tokens)
        self._num_sampled = 0
        self._lookup: Lookup | None = None
        self._exact_from: int | None = None
        self.is_finished = self._limit == 0
        self._take_forced()

    @property
    def num_unseen(self) -> int:
        """Count the ids that the model has not seen yet."""
        return len(self.ids) - (self.cache.length if self.cache else 0)

    @property
    def is_reading(self) -> bool:
        """Whether there is still some of the prompt to see."""
        return self.cache is None or self.cache.length < self.num_prompt

    def begin(self, cache: C) -> None:
        """Go on from what a cache has seen."""
        self.cache = cache
        if self._exact_from is None:  # what was sampled is as exact when it is seen again
            self.num_cached = min(cache.length, self.num_prompt)
            self._exact_from = 0 if len(self.ids) <= _SHORT else len(self.ids)  # whatever of them was cached

    def work(self, most: int, *, most_guesses: int = 0) -> Work[C]:
        """Return what the next step is to do, `most` ids at most, and guesses after the last of them."""
        assert self.cache is not None
        assert self._exact_from is not None
        begin = self.cache.length
        is_exact = begin >= self._exact_from
        stop = len(self.ids) if is_exact else self._exact_from
        end = min(begin + most, stop)
        if end < stop:
            end = max(begin + 1, end - end % _STRIDE)
        is_last = end == len(self.ids)
        rows = self._rows if is_last else None
        guesses = []
        if is_last and is_exact and rows is None and most_guesses:
            self._lookup = self._lookup or Lookup(most_guesses)
            guesses = self._lookup.guesses(self.ids, min(most_guesses, self._limit - self._num_sampled - 1))
        return Work(
            cache=self.cache,
            ids=self.ids[begin:end],
            wants_logits=is_last,
            rows=rows,
            guesses=guesses,
            is_exact=is_exact,
        )

    def take(self, logits: Tensor, guesses: Sequence[int] = ()) -> None:
        """Choose ids by the logits after the last id seen, [V], or [1 + guesses, V] as long as the guesses are right.

        A guess is right if it is what was chosen, or forced, where it stands.
        """
        if not guesses:
            self._choose(logits)
            return
        assert self.cache is not None
        self._choose(logits[0])
        num_right = 0
        for guess, row in zip(guesses, logits[1:], strict=True):
            if self.is_finished or self.ids[self.cache.length] != guess:
                break
            num_right += 1
            self.cache.advance(1)
            if self.cache.length == len(self.ids):
                self._choose(row if self._rows is None else row[self._rows])
        if self._lookup is not None:
            self._lookup.learn(len(guesses), num_right)

    def _choose(self, logits: Tensor) -> None:
        """Choose the next id by one row of logits, and take those that are forced after it."""
        logits_V = logits.cpu().numpy()
        if self._mask is not None:
            self._masks.apply(logits_V, self._mask)
        self._add(*self._sampler.choose(logits_V, self._rows))
        self._take_forced()

    def _take_forced(self) -> None:
        """Take ids as long as there is no choice; where nothing is allowed, the generation is over."""
        while self._constraint and not self.is_finished:
            allowed = self._constraint.allowed()
            if isinstance(allowed, np.ndarray):
                self._mask, self._rows = allowed, None
                return
            if len(allowed) > 1:
                self._mask, self._rows = None, sorted(allowed)  # of equals the first is chosen, as among all
                return
            if not allowed:
                self.is_finished = True
                return
            self._add(*self._sampler.take(allowed[0]))

    def _add(self, token: int, logprob: TokenLogprob | None) -> None:
        if self._constraint:
            self._constraint.accept(token)
        self._num_sampled += 1
        self.new_ids.append(token)
        if logprob is not None:
            self.new_logprobs.append(logprob)
        self.is_finished = token in self._stop_ids or self._num_sampled == self._limit
        if not self.is_finished:
            self.ids.append(token)


def _check(ids: Sequence[int], config: ModelConfig) -> None:
    if not ids:
        raise EngineError("the prompt is empty; give at least one id")
    if len(ids) >= config.context_length:
        raise PromptTooLong(
            f"the prompt has {len(ids)} tokens; the context holds {config.context_length}, answer included"
        )
    wrong = next((token for token in ids if not 0 <= token < config.vocab_size), None)
    if wrong is not None:
        raise EngineError(f"no id {wrong!r} in a vocabulary of {config.vocab_size}; is this the model's own tokenizer?")
