"""Pages: keys and values of 32 tokens each, shared between sequences that begin the same.

A sequence has pages of two kinds: those of its full layers, which it keeps from the first token on, and those of its
sliding layers, of which it needs only the last window. Sequences share pages by counting; a page that is not full yet
is copied when a sequence branches off within it. A *mark* keeps the sliding pages of a place that a later prompt is
likely to branch off from (marks.py).
"""

import ctypes
from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ostinato.engine.batch import Outline, OutOfMemory
from ostinato.engine.kernels.memory import HugeMemory
from ostinato.engine.marks import BACK, Marks

PAGE = 32  # tokens
_SLAB = 32  # pages that memory is asked for at once


class PagePool:
    """Pages of one size, in memory of huge pages; `limit` is the most there may be.

    `has_room` is asked before memory is taken whether the system still has that many bytes.
    """

    def __init__(self, page_bytes: int, *, limit: int, has_room: Callable[[int], bool] = lambda _: True) -> None:
        self.page_bytes, self.limit = page_bytes, limit
        self._has_room = has_room
        self._slabs: list[HugeMemory] = []
        self._addresses: list[int] = []
        self._uses: list[int] = []
        self._free: list[int] = []

    @property
    def num_taken(self) -> int:
        """Count the pages that are in use."""
        return len(self._addresses) - len(self._free)

    @property
    def num_free(self) -> int:
        """Count the pages that can still be taken."""
        return self.limit - len(self._addresses) + len(self._free)

    def take(self) -> int:
        """Hand out a page.

        Raises:
            OutOfMemory: if there is none.
        """
        if not self._free:
            self._grow()
        page = self._free.pop()
        self._uses[page] = 1
        return page

    def share(self, page: int) -> int:
        """Count one more user of a page."""
        self._uses[page] += 1
        return page

    def drop(self, page: int) -> None:
        """Count one user less; a page that nobody uses is free."""
        self._uses[page] -= 1
        if not self._uses[page]:
            self._free.append(page)

    def copied(self, page: int) -> int:
        """Hand out a copy of a page."""
        copy = self.take()
        ctypes.memmove(self.address(copy), self.address(page), self.page_bytes)
        return copy

    def address(self, page: int) -> int:
        """Return where a page begins."""
        return self._addresses[page]

    def memory(self, page: int) -> memoryview:
        """Return the bytes of a page; they are valid for as long as the page is in use."""
        return memoryview((ctypes.c_uint8 * self.page_bytes).from_address(self._addresses[page])).cast("B")

    def _grow(self) -> None:
        count = min(_SLAB, self.limit - len(self._addresses))
        if count <= 0 or not self._has_room(count * self.page_bytes):
            raise OutOfMemory
        slab = HugeMemory(count * self.page_bytes)
        self._slabs.append(slab)
        first = len(self._addresses)
        self._addresses += [slab.address + index * self.page_bytes for index in range(count)]
        self._uses += [0] * count
        self._free += reversed(range(first, first + count))


class PagedCache:
    """The pages of one sequence. `length` counts the tokens it has seen."""

    def __init__(self, full: PagePool, sliding: PagePool, *, window: int) -> None:
        self.length = 0
        self._pools = full, sliding
        self._window = window
        self._full: list[int] = []
        self._sliding: dict[int, int] = {}  # by their number in the sequence: the last window, and what marks keep
        self._marks = Marks()
        self._num_pointed = 0
        self._full_addresses: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._sliding_addresses: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)

    @property
    def full_addresses(self) -> NDArray[np.uint64]:
        """Where the pages of the full layers are, from the first token on."""
        return self._full_addresses

    @property
    def sliding_addresses(self) -> NDArray[np.uint64]:
        """Where the pages of the sliding layers are; 0 for those that were let go."""
        return self._sliding_addresses

    def reserve(self, length: int) -> None:
        """Take the pages of full layers that positions up to `length` need; the few of sliding ones come and go.

        Raises:
            OutOfMemory: if there are not enough; those taken stay.
        """
        while len(self._full) < _pages(length):
            self._full.append(self._pools[0].take())

    def reach(self, length: int) -> None:
        """Take all pages that positions up to `length` need.

        Raises:
            OutOfMemory: if there are not enough; those taken stay.
        """
        self.reserve(length)
        for number in range(self._num_pointed, _pages(length)):
            self._sliding[number] = self._pools[1].take()
            self._point(number)

    def advance(self, count: int) -> None:
        """Count tokens as seen, and let go of sliding pages that no later token sees and no mark keeps."""
        before = self._first_kept(self.length)
        self.length += count
        if before < (now := self._first_kept(self.length)):
            self._let_go(range(before, now))

    def trim(self) -> None:
        """Give back the pages behind what was seen, which were taken for what was to come."""
        full, sliding = self._pools
        count = _pages(self.length)
        for page in self._full[count:]:
            full.drop(page)
        for number in [number for number in self._sliding if number >= count]:
            sliding.drop(self._sliding.pop(number))
        del self._full[count:]
        self._num_pointed = min(self._num_pointed, count)

    def mark(self, *, is_anchor: bool = False) -> None:
        """Keep what a sequence needs to branch off here, or shortly before; an anchor is kept for longer."""
        if self.length:
            gone = self._marks.add(self.length, is_anchor=is_anchor)
            if gone is not None:
                self._let_go(self._kept_at(gone))

    def branching_point(self, length: int) -> int:
        """Return the longest length, `length` at most, at which another sequence can branch off; 0 is none."""
        length = min(length, self.length)
        is_held = all(number in self._sliding for number in range(self._first_seen(length), _pages(length)))
        return length if is_held else self._marks.last_before(length)

    def branch(self, length: int) -> Self:
        """Return a sequence that has seen the first `length` tokens; ask `branching_point` first.

        Raises:
            OutOfMemory: if there is no page for a copy.
        """
        full, sliding = self._pools
        other = type(self)(full, sliding, window=self._window)
        other._marks = self._marks.up_to(length)
        try:
            for number, page in enumerate(self._full[: _pages(length)]):
                other._full.append(_branched(full, page, number, length))
            for number in sorted(other._kept(length) & self._sliding.keys()):
                other._sliding[number] = _branched(sliding, self._sliding[number], number, length)
        except OutOfMemory:
            other.free()
            raise
        other._begin_at(length)
        return other

    def outline(self) -> Outline:
        """Say what `buffers` hold."""
        kept = self._kept(self.length) & self._sliding.keys()
        return Outline(length=self.length, marks=self._marks.items(), pieces=sorted(kept))

    def restore(self, outline: Outline) -> None:
        """Take the pages of a sequence of which `buffers` are to be filled.

        Raises:
            OutOfMemory: if there are not enough; `free` those taken.
            ValueError: if there is no such sequence.
        """
        pieces = outline.pieces
        if pieces != sorted(set(pieces)) or (pieces and pieces[-1] >= _pages(outline.length)):
            raise ValueError(f"a sequence of {outline.length} tokens cannot have the pages {pieces}")
        for mark, is_anchor in outline.marks:
            self._marks.add(mark, is_anchor=is_anchor)
        self.reserve(outline.length)
        for number in outline.pieces:
            self._sliding[number] = self._pools[1].take()
        self._begin_at(outline.length)

    def buffers(self) -> list[memoryview]:
        """Return the memory of what was seen: the pages of full layers, then the pieces of the outline."""
        full, sliding = self._pools
        held = [full.memory(page) for page in self._full[: _pages(self.length)]]
        return held + [sliding.memory(self._sliding[number]) for number in self.outline().pieces]

    def free(self) -> None:
        """Give all pages back."""
        full, sliding = self._pools
        for page in self._full:
            full.drop(page)
        for page in self._sliding.values():
            sliding.drop(page)
        self._full, self._sliding, self._marks, self.length = [], {}, Marks(), 0

    def _first_seen(self, length: int) -> int:
        """Return the first sliding page that a token at `length` sees."""
        return max(0, length - self._window + 1) // PAGE

    def _first_kept(self, length: int) -> int:
        """Return the first sliding page that is not let go: a mark serves tokens before it too."""
        return self._first_seen(length - BACK)

    def _kept_at(self, length: int) -> range:
        return range(self._first_kept(length), _pages(length))

    def _kept(self, length: int) -> set[int]:
        """Return the sliding pages that a sequence of this length keeps, for itself and for its marks."""
        return {number for place in [length, *self._marks] for number in self._kept_at(place)}

    def _let_go(self, numbers: range) -> None:
        """Drop those of these sliding pages that nothing needs."""
        numbers = range(numbers.start, min(numbers.stop, self._first_kept(self.length)))
        for number in set(numbers) - self._kept(self.length) if numbers else ():
            if number in self._sliding:
                self._pools[1].drop(self._sliding.pop(number))
                self._sliding_addresses[number] = 0

    def _begin_at(self, length: int) -> None:
        self.length = length
        for number in range(_pages(length)):
            self._point(number)

    def _point(self, number: int) -> None:
        """Note the addresses of the next page."""
        full, sliding = self._pools
        if number == len(self._full_addresses):
            room = np.zeros(max(64, number), dtype=np.uint64)
            self._full_addresses = np.concatenate([self._full_addresses, room])
            self._sliding_addresses = np.concatenate([self._sliding_addresses, room])
        self._full_addresses[number] = full.address(self._full[number])
        if number in self._sliding:
            self._sliding_addresses[number] = sliding.address(self._sliding[number])
        self._num_pointed = number + 1


def _pages(length: int) -> int:
    """Return how many pages `length` tokens take."""
    return -(-length // PAGE)


def _branched(pool: PagePool, page: int, number: int, length: int) -> int:
    """Return the page for a sequence that branches off at `length`: shared if it is full by then, else a copy."""
    return pool.share(page) if (number + 1) * PAGE <= length else pool.copied(page)
