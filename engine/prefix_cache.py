"""PrefixCache: finished sequences, kept for prompts that begin like one of them.

An agent's next prompt begins with its last one, or with all of it up to the reasoning that is dropped. Many agents
share their first messages. The longest common beginning counts, of the sequences at work as of those that are done.
"""

from collections.abc import Iterable, Sequence
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from ostinato.engine.batch import C


class PrefixCache(Generic[C]):
    """Keeps the caches of the sequences that finished last, `most` at most."""

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._kept: list[tuple[NDArray[np.int64], C]] = []  # the oldest first

    def keep(self, ids: Sequence[int], cache: C) -> None:
        """Keep the cache of a sequence that has seen `ids`."""
        self._kept.append((np.array(ids[: cache.length], dtype=np.int64), cache))
        if len(self._kept) > self._most:
            self.drop_oldest()

    def drop_oldest(self) -> bool:
        """Free the cache that was used longest ago; return False if there is none."""
        if not self._kept:
            return False
        self._kept.pop(0)[1].free()
        return True

    def branch(self, ids: Sequence[int], others: Iterable[tuple[Sequence[int], C]]) -> C | None:
        """Return a cache of the longest beginning of `ids` that a kept sequence or one of `others` has seen.

        One id at least is left to see, because its logits are wanted. None means that nothing is shared.

        Raises:
            OutOfMemory: if there is no room for it.
        """
        wanted = np.array(ids[:-1], dtype=np.int64)
        live = [(np.array(seen[: cache.length], dtype=np.int64), cache) for seen, cache in others]
        best: C | None = None
        longest = 0
        for index, (seen, cache) in enumerate([*self._kept, *live]):
            length = cache.branching_point(_shared_length(wanted, seen))
            if length > longest:
                longest, best, place = length, cache, index
        if best is None:
            return None
        if place < len(self._kept):
            self._kept.append(self._kept.pop(place))  # used last
        return best.branch(longest)

    @property
    def held_tokens(self) -> int:
        """Count the tokens of all kept sequences."""
        return sum(cache.length for _, cache in self._kept)

    def clear(self) -> None:
        """Free all."""
        while self.drop_oldest():
            pass


def _shared_length(first: NDArray[np.int64], second: NDArray[np.int64]) -> int:
    size = min(first.size, second.size)
    differs = np.flatnonzero(first[:size] != second[:size])
    return int(differs[0]) if differs.size else size
