"""Masks: which logits a constraint leaves."""

# ruff: noqa: N803, N806  (arrays carry their shape)
# V vocabulary

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_REMEMBERED = 8  # a grammar has a few masks that it uses again and again
_FEW = 0.05  # share of the vocabulary up to which single logits are written, which then costs a tenth


class Masks:
    """Applies packed bits to logits, and keeps what it made of those used last: they come again by identity."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[NDArray[np.uint8], Floats | NDArray[np.intp]]] = OrderedDict()

    def apply(self, logits_V: Floats, bits: NDArray[np.uint8]) -> None:
        """Set the logits of all other ids to minus infinity, in place."""
        excluded = self._excluded(bits, logits_V.size)
        if excluded.dtype == np.float32:
            np.add(logits_V, excluded, out=logits_V)  # twenty times as fast as assigning where something is true
        else:
            logits_V[excluded] = -np.inf

    def _excluded(self, bits: NDArray[np.uint8], vocab_size: int) -> Floats | NDArray[np.intp]:
        """Return what is not allowed: minus infinity for each such id, or if they are few, they themselves."""
        if id(bits) in self._known:
            self._known.move_to_end(id(bits))
            return self._known[id(bits)][1]
        is_out_V = np.ones(vocab_size, dtype=np.bool_)
        unpacked = np.unpackbits(bits, bitorder="little", count=min(vocab_size, 8 * bits.size))
        np.equal(unpacked, 0, out=is_out_V[: unpacked.size])
        excluded = np.flatnonzero(is_out_V)
        if excluded.size > _FEW * vocab_size:
            excluded = np.where(is_out_V, np.float32(-np.inf), np.float32(0))
        self._known[id(bits)] = (bits, excluded)  # the array is kept, or its identity could be another's
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return excluded
