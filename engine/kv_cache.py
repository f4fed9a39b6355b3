"""KVCache: the keys and values of one sequence, layer by layer.

A layer keeps its positions side by side in one buffer, so that what attention reads is always a slice. A sliding layer
has room for its window and some slack; when that is full, the window moves to the front. Until then the slack still
holds older positions, at which another sequence can branch off. Keys lie with their positions innermost, which
makes the product with one query several times faster.
"""

# ruff: noqa: N803  (tensor names carry their shape)
# T new tokens, S tokens seen by the new ones, C room in the buffer, H key-value heads, K head dimension

import copy

import torch
from torch import Tensor

from ostinato.engine.config import ModelConfig

_SLACK = 512  # tokens a sliding layer holds beyond its window
_FIRST_ROOM = 256  # tokens a full layer starts with; it doubles


class LayerCache:
    """The keys and values of one layer. `length` counts the tokens seen, kept or not."""

    def __init__(self, shape: tuple[int, int], *, window: int | None, device: torch.device, dtype: torch.dtype) -> None:
        num_heads, head_dim = shape
        room = _FIRST_ROOM if window is None else window + _SLACK
        self.window = window
        self.length = 0
        self._start = 0  # the position that the buffer begins with
        self._keys_HKC = torch.empty(num_heads, head_dim, room, device=device, dtype=dtype)
        self._values_HCK = torch.empty(num_heads, room, head_dim, device=device, dtype=dtype)

    def append(self, keys_HKT: Tensor, values_HTK: Tensor) -> tuple[Tensor, Tensor]:
        """Add new positions; return the keys, [H, K, S], and values, [H, S, K], that at least one of them sees."""
        num_new = values_HTK.shape[1]
        seen_from = self._oldest_seen()
        self._make_room(num_new, seen_from)
        begin, end = self.length - self._start, self.length - self._start + num_new
        self._keys_HKC[:, :, begin:end] = keys_HKT
        self._values_HCK[:, begin:end] = values_HTK
        self.length += num_new
        seen = slice(seen_from - self._start, end)
        return self._keys_HKC[:, :, seen], self._values_HCK[:, seen]

    def can_branch(self, length: int) -> bool:
        """Say whether every position that the next token after `length` sees is still held."""
        return length == self.length or (length < self.length and self._start <= self._oldest_seen(length))

    def branch(self, length: int) -> "LayerCache":
        """Return a copy that has seen `length` tokens."""
        other = copy.copy(self)
        other._keys_HKC, other._values_HCK = self._keys_HKC.clone(), self._values_HCK.clone()
        other.length = length
        return other

    def _oldest_seen(self, length: int | None = None) -> int:
        """Return the first position that a token after `length` positions sees."""
        length = self.length if length is None else length
        return 0 if self.window is None else max(0, length - self.window + 1)

    def _make_room(self, num_new: int, seen_from: int) -> None:
        room = self._values_HCK.shape[1]
        if self.length - self._start + num_new <= room:
            return
        needed = self.length - seen_from + num_new
        room = max(needed, 2 * room if self.window is None else room)
        kept = slice(seen_from - self._start, self.length - self._start)
        self._keys_HKC = _moved(self._keys_HKC, kept, dim=2, room=room)
        self._values_HCK = _moved(self._values_HCK, kept, dim=1, room=room)
        self._start = seen_from


class KVCache:
    """The keys and values of one sequence."""

    def __init__(self, config: ModelConfig, *, device: torch.device, dtype: torch.dtype) -> None:
        shape = (config.num_kv_heads, config.head_dim)
        self.layers = [
            LayerCache(shape, window=config.window(layer), device=device, dtype=dtype)
            for layer in range(config.num_layers)
        ]

    @property
    def length(self) -> int:
        """Count the tokens seen so far."""
        return self.layers[-1].length if self.layers else 0

    def mark(self) -> None:
        """Do nothing: what is forgotten is forgotten."""

    def branching_point(self, length: int) -> int:
        """Return `length` if another sequence can branch off there, else 0."""
        return length if all(layer.can_branch(length) for layer in self.layers) else 0

    def branch(self, length: int) -> "KVCache":
        """Return a copy that has seen the first `length` tokens."""
        other = copy.copy(self)
        other.layers = [layer.branch(length) for layer in self.layers]
        return other

    def free(self) -> None:
        """Give the memory back."""
        self.layers = []


def _moved(buffer: Tensor, kept: slice, *, dim: int, room: int) -> Tensor:
    """Return a new buffer that begins with what is kept along `dim`."""
    num_kept = kept.stop - kept.start
    shape = list(buffer.shape)
    shape[dim] = room
    moved = buffer.new_empty(shape)
    moved.narrow(dim, 0, num_kept).copy_(buffer.narrow(dim, kept.start, num_kept))
    return moved
