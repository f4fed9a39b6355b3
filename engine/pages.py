"""Pages: keys and values of 32 tokens each, shared between sequences that begin the same.

A sequence has pages of two kinds: those of its full layers, which it keeps from the first token on, and those of its
sliding layers, of which it needs only the last window. Sequences share pages by counting; a page that is not full yet
is copied when a sequence branches off within it. A *mark* keeps the sliding pages of a place that a later prompt is
likely to branch off from, such as the end of a prompt: the reasoning after it is left out of the next one.
"""

import ctypes
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ostinato.engine.batch import OutOfMemory
from ostinato.engine.kernels.memory import HugeMemory

PAGE = 32  # tokens
_SLAB = 32  # pages that memory is asked for at once


class PagePool:
    """Pages of one size, in memory of huge pages; `limit` is the most there may be."""

    def __init__(self, page_bytes: int, *, limit: int) -> None:
        self.page_bytes, self.limit = page_bytes, limit
        self._slabs: list[HugeMemory] = []
        self._addresses: list[int] = []
        self._uses: list[int] = []
        self._free: list[int] = []

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

    def _grow(self) -> None:
        count = min(_SLAB, self.limit - len(self._addresses))
        if count <= 0:
            raise OutOfMemory
        slab = HugeMemory(count * self.page_bytes)
        self._slabs.append(slab)
        first = len(self._addresses)
        self._addresses += [slab.address + index * self.page_bytes for index in range(count)]
        self._uses += [0] * count
        self._free += reversed(range(first, first + count))


@dataclass(slots=True)
class _Mark:
    """The sliding pages that a sequence branching off at `length` needs, by their number in the sequence."""

    length: int
    sliding: dict[int, int] = field(default_factory=dict)


class PagedCache:
    """The pages of one sequence. `length` counts the tokens it has seen."""

    def __init__(self, full: PagePool, sliding: PagePool, *, window: int) -> None:
        self.length = 0
        self._pools = full, sliding
        self._window = window
        self._full: list[int] = []
        self._sliding: dict[int, int] = {}
        self._marks: list[_Mark] = []
        self._num_pointed = 0
        self._full_addresses: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._sliding_addresses: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)

    @property
    def full_addresses(self) -> NDArray[np.uint64]:
        """Where the pages of the full layers are, from the first token on."""
        return self._full_addresses

    @property
    def sliding_addresses(self) -> NDArray[np.uint64]:
        """Where the pages of the sliding layers are; 0 for those that no token sees any more."""
        return self._sliding_addresses

    def reach(self, length: int) -> None:
        """Take the pages that positions up to `length` need.

        Raises:
            OutOfMemory: if there are not enough; those taken stay.
        """
        full, sliding = self._pools
        for number in range(len(self._full), _pages(length)):
            self._sliding[number] = sliding.take()
            self._full.append(full.take())
        self._point(full, sliding)

    def advance(self, count: int) -> None:
        """Count tokens as seen, and let go of sliding pages that no later token sees."""
        self.length += count
        first_seen = max(0, self.length - self._window + 1) // PAGE
        for number in [number for number in self._sliding if number < first_seen]:
            self._pools[1].drop(self._sliding.pop(number))
            self._sliding_addresses[number] = 0

    def mark(self) -> None:
        """Keep what a sequence needs to branch off here."""
        if not self._marks or self._marks[-1].length != self.length:
            sliding = self._pools[1]
            held = {number: sliding.share(page) for number, page in self._needed(self.length, self._sliding).items()}
            self._marks.append(_Mark(self.length, held))

    def branching_point(self, length: int) -> int:
        """Return the longest length, `length` at most, at which another sequence can branch off; 0 is none."""
        length = min(length, self.length)
        if self._holds(length, self._sliding):
            return length
        return max((mark.length for mark in self._marks if mark.length <= length), default=0)

    def branch(self, length: int) -> Self:
        """Return a sequence that has seen the first `length` tokens; ask `branching_point` first.

        Raises:
            OutOfMemory: if there is no page for a copy.
        """
        full, sliding = self._pools
        other = type(self)(full, sliding, window=self._window)
        source = self._sliding
        if not self._holds(length, source):
            source = next(mark.sliding for mark in self._marks if mark.length == length)
        try:
            for number, page in enumerate(self._full[: _pages(length)]):
                other._full.append(_branched(full, page, number, length))
            for number, page in self._needed(length, source).items():
                other._sliding[number] = _branched(sliding, page, number, length)
        except OutOfMemory:
            other.free()
            raise
        other.length = length
        other._point(full, sliding)
        return other

    def free(self) -> None:
        """Give all pages back."""
        full, sliding = self._pools
        for page in self._full:
            full.drop(page)
        for page in self._sliding.values():
            sliding.drop(page)
        for mark in self._marks:
            for page in mark.sliding.values():
                sliding.drop(page)
        self._full, self._sliding, self._marks, self.length = [], {}, [], 0

    def _needed(self, length: int, held: dict[int, int]) -> dict[int, int]:
        """Return the sliding pages that a token at `length` sees."""
        first = max(0, length - self._window + 1) // PAGE
        return {number: held[number] for number in range(first, _pages(length)) if number in held}

    def _holds(self, length: int, held: dict[int, int]) -> bool:
        first = max(0, length - self._window + 1) // PAGE
        return all(number in held for number in range(first, _pages(length)))

    def _point(self, full: PagePool, sliding: PagePool) -> None:
        """Bring the addresses up to date with the pages."""
        known, count = self._num_pointed, len(self._full)
        if count > len(self._full_addresses):
            room = max(count, 2 * len(self._full_addresses), 64)
            self._full_addresses = np.resize(self._full_addresses, room) if known else np.zeros(room, np.uint64)
            self._sliding_addresses = np.resize(self._sliding_addresses, room) if known else np.zeros(room, np.uint64)
        for number in range(known, count):
            self._full_addresses[number] = full.address(self._full[number])
            page = self._sliding.get(number)
            self._sliding_addresses[number] = 0 if page is None else sliding.address(page)
        self._num_pointed = count


def _pages(length: int) -> int:
    """Return how many pages `length` tokens take."""
    return -(-length // PAGE)


def _branched(pool: PagePool, page: int, number: int, length: int) -> int:
    """Return the page for a sequence that branches off at `length`: shared if it is full by then, else a copy."""
    return pool.share(page) if (number + 1) * PAGE <= length else pool.copied(page)
