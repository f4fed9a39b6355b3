"""KVCache: the keys and values of one sequence, layer by layer.

A layer keeps its positions side by side in one buffer, so that what attention reads is always a slice. A sliding layer
has room for its window and some slack; when that is full, the window moves to the front. Until then the slack still
holds older positions, at which another sequence can branch off; a mark keeps a copy of the window for longer. Keys lie
with their positions innermost, which makes the product with one query several times faster.
"""

# ruff: noqa: N803  (tensor names carry their shape)
# T new tokens, S tokens seen by the new ones, C room in the buffer, H key-value heads, K head dimension

import copy
from typing import Self

import torch
from torch import Tensor

from ostinato.engine.batch import Outline, OutOfMemory
from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.marks import BACK, Marks

_SLACK = 512  # tokens a sliding layer holds beyond its window
_FIRST_ROOM = 256  # tokens a full layer starts with; it grows by half


class Room:
    """The memory that the caches of a model may take together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0

    @classmethod
    def fitting(
        cls, config: ModelConfig, device: torch.device, dtype: torch.dtype, *, cache_tokens: int | None
    ) -> tuple[Self, int]:
        """Return room for as many tokens, or in half of the memory that is left; and the tokens."""
        layer_bytes = 2 * config.num_kv_heads * config.head_dim * dtype.itemsize
        windows = [config.window(layer) for layer in range(config.num_layers)]
        token_bytes = max(1, windows.count(None)) * layer_bytes
        window_bytes = sum(window + _SLACK for window in windows if window is not None) * layer_bytes
        if cache_tokens is not None:
            return cls(cache_tokens * token_bytes + window_bytes), cache_tokens
        left = available_bytes() if device.type == "cpu" else torch.cuda.mem_get_info(device)[0]
        return cls(left // 2), max(1, (left // 2 - window_bytes) // token_bytes)

    def take(self, size: int) -> None:
        """Count bytes as taken.

        Raises:
            OutOfMemory: if there are not as many.
        """
        if self._taken + size > self.limit:
            raise OutOfMemory
        self._taken += size

    def give(self, size: int) -> None:
        """Count bytes as given back."""
        self._taken -= size


class LayerCache:
    """The keys and values of one layer. `length` counts the tokens seen, kept or not."""

    def __init__(self, shape: tuple[int, int], *, window: int | None, device: torch.device, dtype: torch.dtype) -> None:
        num_heads, head_dim = shape
        room = 0 if window is None else window + _SLACK
        self.window = window
        self.length = 0
        self._start = 0  # the position that the buffer begins with
        self._keys_HKC = torch.empty(num_heads, head_dim, room, device=device, dtype=dtype)
        self._values_HCK = torch.empty(num_heads, room, head_dim, device=device, dtype=dtype)
        self.marked: dict[int, LayerCache] = {}

    @property
    def num_held(self) -> int:
        """Count the positions that are held."""
        return self.length - self._start

    @property
    def held(self) -> tuple[Tensor, Tensor]:
        """The keys and values that are held, [H, K, S] and [H, S, K]; of a restored layer, its very buffers."""
        return self._keys_HKC[:, :, : self.num_held].contiguous(), self._values_HCK[:, : self.num_held].contiguous()

    @property
    def num_bytes(self) -> int:
        """Count the bytes of the buffers, marks included."""
        return self.size(self._values_HCK.shape[1]) + sum(kept.num_bytes for kept in self.marked.values())

    def size(self, positions: int) -> int:
        """Return the bytes of keys and values of as many positions."""
        num_heads, _, head_dim = self._values_HCK.shape
        return 2 * positions * num_heads * head_dim * self._values_HCK.element_size()

    def growth(self, length: int, *, is_exact: bool = False) -> int:
        """Return how many positions of room `length` tokens in a full layer need beyond what there is, or some more."""
        room = self._values_HCK.shape[1]
        return 0 if length <= room else max(length, 0 if is_exact else max(room + room // 2, _FIRST_ROOM)) - room

    def grow(self, count: int) -> None:
        """Make room for as many positions more."""
        self._move(self._start, self._values_HCK.shape[1] + count)

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
        return self._source(length) is not None

    def branch(self, length: int) -> "LayerCache":
        """Return a copy that has seen `length` tokens, marks included."""
        source = self._source(length)
        assert source is not None, "not a branching point"
        other = source._copy(length)
        other.marked = {mark: kept for mark, kept in self.marked.items() if mark <= length}
        return other

    def mark(self, length: int) -> None:
        """Keep what a sequence needs to branch off at `length`, which this one has now, or shortly before."""
        if self.window is not None:
            self.marked[length] = self._copy(length, held=self._oldest_seen(length - BACK))

    def forget(self, mark: int) -> None:
        """Keep it no more."""
        self.marked.pop(mark, None)

    def restore(self, length: int, num_held: int) -> None:
        """Become a layer that has seen `length` tokens and holds the last ones, which are to be filled in.

        Raises:
            ValueError: if these are too few, or too many.
        """
        if not length - self._oldest_seen(length) <= num_held <= length:
            raise ValueError(f"a layer cannot hold {num_held} of {length} tokens")
        self.length = self._start = length - num_held
        self._move(self._start, num_held)
        self.length = length

    def restore_mark(self, mark: int, num_held: int) -> None:
        """Add a mark that is to be filled in.

        Raises:
            ValueError: if it holds too few tokens, or too many.
        """
        kept = copy.copy(self)
        kept.marked = {}
        kept.restore(mark, num_held)
        self.marked[mark] = kept

    def _source(self, length: int) -> "LayerCache | None":
        if length == self.length or (length < self.length and self._start <= self._oldest_seen(length)):
            return self
        marked = (kept for mark, kept in self.marked.items() if mark >= length)
        return next((kept for kept in marked if kept._start <= self._oldest_seen(length)), None)

    def _copy(self, length: int, *, held: int | None = None) -> "LayerCache":
        """Return a copy that has seen `length` tokens, from position `held` on, or with what there is and room."""
        other = copy.copy(self)
        other.length, other.marked = length, {}
        start = self._start if held is None else max(held, self._start)
        room = self._values_HCK.shape[1] if held is None else length - start
        other._move(start, room)
        return other

    def _oldest_seen(self, length: int | None = None) -> int:
        """Return the first position that a token after `length` positions sees."""
        length = self.length if length is None else length
        return 0 if self.window is None else max(0, length - self.window + 1)

    def _make_room(self, num_new: int, seen_from: int) -> None:
        room = self._values_HCK.shape[1]
        if self.length - self._start + num_new <= room:
            return
        if self.window is None:
            self.grow(self.growth(self.length + num_new))
        else:
            start = max(self._start, seen_from - BACK)
            self._move(start, max(self.length - start + num_new, self.window + _SLACK))

    def _move(self, start: int, room: int) -> None:
        """Take new buffers that begin at position `start`, with what is held from there on."""
        held = slice(start - self._start, self.length - self._start)
        self._keys_HKC = _moved(self._keys_HKC, held, dim=2, room=room)
        self._values_HCK = _moved(self._values_HCK, held, dim=1, room=room)
        self._start = start


class KVCache:
    """The keys and values of one sequence."""

    def __init__(
        self, config: ModelConfig, *, device: torch.device, dtype: torch.dtype, room: Room | None = None
    ) -> None:
        shape = (config.num_kv_heads, config.head_dim)
        self.layers = [
            LayerCache(shape, window=config.window(layer), device=device, dtype=dtype)
            for layer in range(config.num_layers)
        ]
        self._marks = Marks()
        self._room = room or Room(2**62)
        self._counted = 0

    @property
    def length(self) -> int:
        """Count the tokens seen so far."""
        return self.layers[-1].length if self.layers else 0

    def advance(self, count: int) -> None:
        """Count tokens as seen that were guessed rightly: there are none, as this cache holds only what was seen."""
        assert count == 0

    def reserve(self, length: int) -> None:
        """Make room for `length` tokens, if need be without the marks.

        Raises:
            OutOfMemory: if there is none.
        """
        full = [layer for layer in self.layers if layer.window is None]
        growth = max((layer.growth(length) for layer in full), default=0)
        least = max((layer.growth(length, is_exact=True) for layer in full), default=0)
        try:
            self._count(self._num_bytes + sum(layer.size(growth) for layer in full))
        except OutOfMemory:
            growth = least
            self._forget_marks()
            self._count(self._num_bytes + sum(layer.size(growth) for layer in full))
        for layer in full if growth else ():
            layer.grow(growth)

    def trim(self) -> None:
        """Do nothing: a buffer stays as large as it is."""

    def mark(self, *, is_anchor: bool = False) -> None:
        """Keep what a sequence needs to branch off here, or shortly before; an anchor is kept for longer."""
        length = self.length
        gone = self._marks.add(length, is_anchor=is_anchor)
        for layer in self.layers:
            layer.mark(length)
            if gone is not None:
                layer.forget(gone)

    def branching_point(self, length: int) -> int:
        """Return the longest length, `length` at most, at which another sequence can branch off; 0 is none."""
        length = min(length, self.length)
        is_held = all(layer.can_branch(length) for layer in self.layers)
        return length if is_held else self._marks.last_before(length)

    def branch(self, length: int) -> "KVCache":
        """Return a copy that has seen the first `length` tokens.

        Raises:
            OutOfMemory: if there is no room for it.
        """
        self._room.take(self._num_bytes)
        other = copy.copy(self)
        other.layers = [layer.branch(length) for layer in self.layers]
        other._marks = self._marks.up_to(length)
        other._counted = self._num_bytes
        return other

    def outline(self) -> Outline:
        """Say what `buffers` hold; the pieces are the positions that each buffer holds."""
        pieces = [layer.num_held for layer in self._saved()]
        return Outline(length=self.length, marks=self._marks.items(), pieces=pieces)

    def restore(self, outline: Outline) -> None:
        """Make an empty cache one whose `buffers` are to be filled.

        Raises:
            OutOfMemory: if there is no room for it.
            ValueError: if there is no such sequence.
        """
        pieces = iter(outline.pieces)
        for layer in self.layers:
            layer.restore(outline.length, next(pieces, -1))
        for mark, is_anchor in outline.marks:
            self._marks.add(mark, is_anchor=is_anchor)
            for layer in self.layers:
                if layer.window is not None:
                    layer.restore_mark(mark, next(pieces, -1))
        self._count(self._num_bytes)

    def buffers(self) -> list[memoryview]:
        """Return the memory of what was seen, on the CPU: keys and values, layer by layer, then those of marks."""
        return [_bytes_of(tensor) for layer in self._saved() for tensor in layer.held]

    def free(self) -> None:
        """Give the memory back."""
        self.layers, self._marks = [], Marks()
        self._count(0)

    @property
    def _num_bytes(self) -> int:
        return sum(layer.num_bytes for layer in self.layers)

    def _count(self, size: int) -> None:
        self._room.take(size - self._counted)
        self._counted = size

    def _forget_marks(self) -> None:
        for mark in self._marks:
            for layer in self.layers:
                layer.forget(mark)
        self._marks = Marks()

    def _saved(self) -> list[LayerCache]:
        """Return the layers, and their copies at each mark."""
        marked = [layer.marked[mark] for mark in self._marks for layer in self.layers if layer.window is not None]
        return [*self.layers, *marked]


def _moved(buffer: Tensor, kept: slice, *, dim: int, room: int) -> Tensor:
    """Return a new buffer that begins with what is kept along `dim`."""
    num_kept = kept.stop - kept.start
    shape = list(buffer.shape)
    shape[dim] = room
    moved = buffer.new_empty(shape)
    moved.narrow(dim, 0, num_kept).copy_(buffer.narrow(dim, kept.start, num_kept))
    return moved


def _bytes_of(tensor: Tensor) -> memoryview:
    view: memoryview = tensor.reshape(-1).view(torch.uint8).numpy().data
    return view
