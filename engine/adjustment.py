"""Adjustment: what is added to the model's logits before an id is chosen, penalties and bias."""

# ruff: noqa: N803, N806  (arrays carry their shape)
# V vocabulary, R the ids a choice is among, N any number of ids

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ostinato.engine.interface import EngineError, Sampling

Floats = NDArray[np.float32]


class Adjustment:
    """The penalties and the bias of one sequence; `Sampling` says what they do.

    A penalty looks only at the ids that came, the bias only at those that have one.

    Raises:
        EngineError: if an id with a bias is not in the vocabulary.
    """

    def __init__(self, sampling: Sampling, vocab_size: int) -> None:
        self._sampling = sampling
        self._counts_V = np.zeros(vocab_size, dtype=np.float32)
        self._came = np.empty(64, dtype=np.intp)
        self._num_came = 0
        self._biased = np.array(sorted(sampling.logit_bias), dtype=np.intp)
        if self._biased.size and self._biased[-1] >= vocab_size:
            raise EngineError(f"logit_bias names id {self._biased[-1]}; the vocabulary has {vocab_size}")
        self._bias_V = np.zeros(vocab_size if self._biased.size else 0, dtype=np.float32)
        self._bias_V[self._biased] = [sampling.logit_bias[number] for number in self._biased.tolist()]

    @classmethod
    def of(cls, sampling: Sampling, vocab_size: int) -> "Adjustment | None":
        """Return what a sampling asks for, None if that is nothing."""
        return cls(sampling, vocab_size) if sampling.logit_bias or _penalises(sampling) else None

    def count(self, number: int) -> None:
        """Note an id that came."""
        if not self._counts_V[number]:
            if self._num_came == self._came.size:
                self._came = np.resize(self._came, 2 * self._num_came)
            self._came[self._num_came] = number
            self._num_came += 1
        self._counts_V[number] += 1

    def apply(self, logits_R: Floats, rows: Sequence[int] | None) -> None:
        """Change the logits of the ids `rows`, or of all, in place."""
        among = None if rows is None else np.asarray(rows, dtype=np.intp)
        if self._num_came and _penalises(self._sampling):
            places, numbers = _places(self._came[: self._num_came], among)
            logits_R[places] = self._penalised(logits_R[places], self._counts_V[numbers])
        if self._biased.size:
            places, numbers = _places(self._biased, among)
            _add(self._bias_V[numbers], logits_R, places)

    def _penalised(self, logits_N: Floats, counts_N: Floats) -> Floats:
        factor = self._sampling.repetition_penalty
        has_come_N = counts_N > 0
        if factor != 1:
            repeated_N = np.where(logits_N > 0, logits_N / factor, logits_N * factor)
            logits_N = np.where(has_come_N, repeated_N, logits_N)
        taken_off_N = self._sampling.frequency_penalty * counts_N + self._sampling.presence_penalty * has_come_N
        return logits_N - taken_off_N.astype(np.float32)


def _penalises(sampling: Sampling) -> bool:
    penalties = sampling.repetition_penalty, sampling.frequency_penalty, sampling.presence_penalty
    return penalties != (1, 0, 0)


def _places(numbers: NDArray[np.intp], among: NDArray[np.intp] | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where among the logits ids are, and which; where these are logits of a few, all of the few."""
    return (numbers, numbers) if among is None else (np.arange(among.size), among)


def _add(bias_N: Floats, logits_R: Floats, places: NDArray[np.intp]) -> None:
    """Add the bias of some ids: inf leaves nothing but these, as far as any is allowed, and not all can be banned."""
    before_N = logits_R[places]
    is_only_N = (bias_N == np.inf) & (before_N > -np.inf)
    if is_only_N.any():
        logits_R.fill(-np.inf)
        logits_R[places[is_only_N]] = before_N[is_only_N]
        return
    is_banned_N = bias_N == -np.inf
    after_N = before_N + np.where(np.isinf(bias_N), np.float32(0), bias_N)
    logits_R[places] = np.where(is_banned_N, np.float32(-np.inf), after_N)
    if is_banned_N.any() and logits_R.max() == -np.inf:
        logits_R[places] = after_N
