"""PrefixCache: finished sequences, kept for prompts that begin like one of them.

An agent's next prompt begins with its last one, or with all of it up to the reasoning that is dropped. Many agents
share their first messages. The longest common beginning counts, of the sequences at work as of those that are done.

Sequences are compared as arrays, and only where they can beat the best so far: one look at the token behind it tells
most of them apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from ostinato.engine.batch import C

_FIRST = 1024  # ids that are compared first; then as many again, and so on
STRIDE = 32  # places at which prompts part are rounded down to it, so that a cache shares whole pages there
_WORTH = 4 * STRIDE  # tokens to see again that are worth a mark, or to wait for


class Seen(Generic[C]):
    """A sequence and its cache, which has seen the first of its ids. `ids` may still grow beyond the `num_given`."""

    def __init__(self, ids: Sequence[int], cache: C | None = None) -> None:
        self.cache = cache
        self.num_given = len(ids)
        self._ids = ids
        self._array = np.array(ids, dtype=np.int32)

    @property
    def array(self) -> NDArray[np.int32]:
        """All ids, those not seen yet as well."""
        known = self._array.size
        if len(self._ids) > known:
            self._array = np.concatenate([self._array, np.array(self._ids[known:], dtype=np.int32)])
        return self._array

    @property
    def length(self) -> int:
        """Count the ids that the cache has seen."""
        return self.cache.length if self.cache is not None else 0

    def settle(self) -> None:
        """Forget the ids that were not seen and those who would bring more, and give back their memory."""
        if self.cache is not None:
            self.cache.trim()
        self._array = self.array[: self.length].copy()
        self._ids = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Generic[C]):
    """How much of a prompt has been seen: its first `length` ids, by `seen`.

    `parting` is where it parts from another sequence, if none can branch off there any more; `leader` is one that is
    about to come to that place. Both are worth it.
    """

    length: int = 0
    seen: Seen[C] | None = None
    parting: int = 0
    leader: Seen[C] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the prompt goes on from all that was seen."""
        return self.seen is not None and self.length == self.seen.length


class PrefixCache(Generic[C]):
    """Keeps the caches of finished sequences, `most` at most, until their memory is needed."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._kept: list[Seen[C]] = []  # the oldest first

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, seen: Seen[C]) -> None:
        """Keep a sequence that is done."""
        seen.settle()
        self._kept.append(seen)
        if len(self._kept) > self._most:
            self.drop_oldest()

    def drop_oldest(self) -> bool:
        """Free the cache that was used longest ago; return False if there is none."""
        if not self._kept:
            return False
        cache = self._kept.pop(0).cache
        assert cache is not None
        cache.free()
        return True

    def find(self, wanted: Seen[C], live: Iterable[Seen[C]]) -> Match[C]:
        """Find the longest beginning that a kept sequence, or one of `live`, has seen.

        One id at least is left to see, because its logits are wanted.
        """
        ids = wanted.array[:-1]
        length, parting, found, leader = 0, 0, None, None
        # The sequence that the prompt goes on from is looked at first: it is the long one whose last id fits.
        for seen in sorted([*reversed(self._kept), *live], key=lambda seen: _promise(ids, seen.array), reverse=True):
            shared = _shared_length(ids, seen.array, above=length) if seen.cache is not None else 0
            if seen.cache is None or shared <= length:
                continue
            point = seen.cache.branching_point(shared)
            if point > length:
                length, found = point, seen
            place = shared - shared % STRIDE
            if place > parting:
                parting, leader = place, None
            if place == parting and seen.length < place <= seen.num_given:
                leader = seen
        is_worth_it = parting - length >= _WORTH
        return Match(
            length=length,
            seen=found,
            parting=parting if is_worth_it else 0,
            leader=leader if is_worth_it else None,
        )

    def take(self, match: Match[C]) -> C:
        """Return a cache that has seen what was found: the very one, if it is kept and the prompt goes on from it.

        Raises:
            OutOfMemory: if there is no room for it.
        """
        seen = match.seen
        assert seen is not None
        assert seen.cache is not None
        if not match.is_whole or seen not in self._kept:
            return seen.cache.branch(match.length)
        self._kept.remove(seen)
        seen.cache.mark()  # others may go on from here too
        return seen.cache

    @property
    def held_tokens(self) -> int:
        """Count the tokens of all kept sequences."""
        return sum(seen.length for seen in self._kept)

    def clear(self) -> None:
        """Free all."""
        while self.drop_oldest():
            pass


def _promise(ids: NDArray[np.int32], seen: NDArray[np.int32]) -> int:
    """Return the length of a sequence that seems to be a beginning of `ids`, else 0."""
    size = seen.size
    return size if 0 < size <= ids.size and ids[size - 1] == seen[size - 1] else 0


def _shared_length(first: NDArray[np.int32], second: NDArray[np.int32], *, above: int) -> int:
    """Return how many ids are the same from the front; 0 if it is no more than `above`."""
    size = min(first.size, second.size)
    if size <= above or first[above] != second[above]:
        return 0
    begin, end = 0, min(size, _FIRST)
    while begin < size:
        differs = first[begin:end] != second[begin:end]
        place = int(differs.argmax())
        if differs[place]:
            return begin + place
        begin, end = end, min(size, 2 * end)
    return size
