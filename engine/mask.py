"""Masks: which logits a constraint leaves."""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# V vocabulary

from collections import OrderedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_REMEMBERED = 16  # a grammar has a few masks that it uses again and again
_FEW = 0.05  # share of the vocabulary up to which single logits are written, which then costs a tenth


class Masks:
    """Applies packed bits to logits, and keeps the tensors of the masks used last: they come again by identity."""

    def __init__(self, *, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        self._known: OrderedDict[int, tuple[NDArray[np.uint8], Tensor]] = OrderedDict()

    @torch.inference_mode()
    def apply(self, logits_V: Tensor, bits: NDArray[np.uint8]) -> Tensor:
        """Set the logits of all other ids to minus infinity, in place."""
        is_out_V = self._excluded(bits, logits_V.shape[-1])
        if is_out_V.dtype == torch.bool:
            return logits_V.masked_fill_(is_out_V, -torch.inf)
        return logits_V.index_fill_(0, is_out_V, -torch.inf)

    def _excluded(self, bits: NDArray[np.uint8], vocab_size: int) -> Tensor:
        """Return what is not allowed: true for each such id, or if they are few, they themselves."""
        if id(bits) in self._known:
            self._known.move_to_end(id(bits))
            return self._known[id(bits)][1]
        is_out_V = np.ones(vocab_size, dtype=np.bool_)
        unpacked = np.unpackbits(bits, bitorder="little", count=min(vocab_size, 8 * bits.size))
        np.equal(unpacked, 0, out=is_out_V[: unpacked.size])
        few = np.count_nonzero(is_out_V) <= _FEW * vocab_size
        tensor = torch.from_numpy(np.flatnonzero(is_out_V) if few else is_out_V).to(self._device)
        self._known[id(bits)] = (bits, tensor)  # the array is kept, or its identity could be another's
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return tensor
