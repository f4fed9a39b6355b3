"""Sampler: from logits to the next id.

A vocabulary has 200,000 ids, so what is done for each of them is little: a weight, and its share in the sum of its
block. A block is drawn by these sums, then an id in it, which is as good as drawing from all, to the rounding of
float32. The filters compare only the few largest. All of it is done in one thread, on the CPU.
"""

# ruff: noqa: N803, N806  (arrays carry their shape)
# V vocabulary, or the ids a choice is among; N any number of ids

import math
from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from ostinato.engine.adjustment import Adjustment
from ostinato.engine.interface import EngineError, Sampling, TokenLogprob

Floats = NDArray[np.float32]

_BLOCK = 512
_NUCLEUS = 256  # of so many ids a nucleus is usually made
_LOWEST = float(np.finfo(np.float32).min)  # above minus infinity
_LEAST = float(np.finfo(np.float32).smallest_subnormal)  # above 0
_COLDEST = 1e-30  # colder is the same, and no number in float32


class Sampler:
    """Chooses ids for one sequence; with a seed, always the same ones."""

    def __init__(self, sampling: Sampling, *, vocab_size: int) -> None:
        self._sampling = sampling
        self._num_top = sampling.logprobs
        self._random = Random(sampling.seed)
        self._adjustment = Adjustment.of(sampling, vocab_size)

    def choose(self, logits_V: Floats, rows: Sequence[int] | None = None) -> tuple[int, TokenLogprob | None]:
        """Choose the next id, and say how likely it was if that was asked for.

        The logits are those of the ids `rows`, in rising order, or of all; they are used up.

        Raises:
            EngineError: if the logits are no numbers to choose by.
        """
        own_V = None if self._num_top is None else logits_V.copy()
        if self._adjustment:
            self._adjustment.apply(logits_V, rows)
        index = self._index(logits_V)
        number = index if rows is None else rows[index]
        self._count(number)
        if self._num_top is None or own_V is None:
            return number, None
        return number, logprob_of(index, own_V, count=self._num_top, rows=rows)

    def take(self, number: int) -> tuple[int, TokenLogprob | None]:
        """Take the only id that may come."""
        self._count(number)
        if self._num_top is None:
            return number, None
        return number, TokenLogprob(id=number, logprob=0.0, top=((number, 0.0),) if self._num_top else ())

    def _count(self, number: int) -> None:
        if self._adjustment:
            self._adjustment.count(number)

    def _index(self, logits_V: Floats) -> int:
        """Choose an index; large arrays cost more to make than to compute, so the weights take the logits' place."""
        likeliest = int(logits_V.argmax())
        largest = logits_V[likeliest]  # not a number if there is one
        if not math.isfinite(largest):
            raise EngineError("the model computes no finite numbers; its weights are damaged: copy them again")
        if self._sampling.temperature == 0:
            return likeliest
        weights_V = np.subtract(logits_V, largest, out=logits_V)
        if self._sampling.temperature != 1:
            with np.errstate(over="ignore"):
                weights_V /= max(self._sampling.temperature, _COLDEST)
        return self._drawn(np.exp(weights_V, out=weights_V))

    def _drawn(self, weights_V: Floats) -> int:
        """Draw an index by weights, of which the largest is 1."""
        least = least_weight(weights_V, self._sampling)
        if least > 0:
            kept = np.flatnonzero(weights_V >= least)
            return int(kept[self._inverted(weights_V[kept])])
        begin = _BLOCK * self._inverted(np.add.reduceat(weights_V, _begins(weights_V)))
        return begin + self._inverted(weights_V[begin : begin + _BLOCK])

    def _inverted(self, weights_N: Floats) -> int:
        """Draw an index by inverting the cumulative distribution."""
        cumulative_N = weights_N.cumsum(dtype=np.float64)
        return int(cumulative_N.searchsorted(self._random.random() * cumulative_N[-1], side="right"))


def least_weight(weights_V: Floats, sampling: Sampling) -> float:
    """Return the least weight that the filters leave, of weights whose largest is 1.

    Applied in the usual order: the `top_k` likeliest, of these the fewest that make up `top_p`, and of these those at
    least `min_p` times as likely as the likeliest (arXiv 2407.01082). The likeliest always stays.
    """
    is_few = 0 < sampling.top_k < weights_V.size
    if sampling.top_p == 1 and not is_few:
        return sampling.min_p
    sorted_N = _sorted(weights_V, sampling.top_k if is_few else _NUCLEUS)
    if sampling.top_p < 1:
        mass = sampling.top_p * float((sorted_N if is_few else weights_V).sum())
        if not is_few and sorted_N.sum() < mass:
            sorted_N = np.sort(weights_V)[::-1]
        last = int(sorted_N.cumsum(dtype=np.float64).searchsorted(mass))
        sorted_N = sorted_N[: last + 1]
    return max(float(sorted_N[-1]), sampling.min_p)


def logprob_of(index: int, logits_V: Floats, *, count: int, rows: Sequence[int] | None = None) -> TokenLogprob:
    """Say how likely the id at `index` was, and which `count` were the likeliest."""
    largest = float(logits_V.max())
    total = largest + math.log(np.exp(logits_V - largest).sum())
    ids = range(logits_V.size) if rows is None else rows
    found = likeliest(logits_V, count) if count else ()
    top = tuple((ids[place], float(logits_V[place]) - total) for place in map(int, found))
    return TokenLogprob(id=ids[index], logprob=float(logits_V[index]) - total, top=top)


def likeliest(logits_V: Floats, count: int) -> NDArray[np.intp]:
    """Return the places of the `count` largest, the largest first; of equals the first. Minus infinity is not one."""
    least = max(_kth_largest(logits_V, count), _LOWEST)
    places = np.flatnonzero(logits_V >= least)
    return places[np.argsort(-logits_V[places], kind="stable")[:count]]


def _sorted(weights_V: Floats, count: int) -> Floats:
    """Return the `count` largest weights above 0, the largest first."""
    least = max(_kth_largest(weights_V, count), _LEAST)
    return np.sort(np.compress(weights_V >= least, weights_V))[::-1][:count]


def _kth_largest(values_V: Floats, count: int) -> float:
    """Return a value that `count` are at least as large as, and hardly more."""
    peaks = np.maximum.reduceat(values_V, _begins(values_V))
    pool = peaks if count <= peaks.size else values_V
    count = min(count, pool.size)
    return float(np.partition(pool, -count)[-count])


def _begins(values_V: Floats) -> NDArray[np.intp]:
    """Return where the blocks begin."""
    return np.arange(0, values_V.size, _BLOCK)
