"""Lookup: guesses at what comes next, from what came before.

Agents copy: a file that is edited, a result that is quoted, a call that is made again. Where the last ids occurred
before, what followed them there is likely to follow again. A model verifies several guesses in one step, which reads
its weights once, so each that is right comes nearly for free. What is chosen never depends on them.

Source: prompt lookup decoding (https://github.com/apoorvumang/prompt-lookup-decoding), a form of speculative decoding
(arXiv 2211.17192) without a second model.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MATCH = 5  # ids that must have occurred: with fewer, guesses are often wrong


class Lookup:
    """Guesses for one sequence: fewer after a wrong one, up to `most` as long as they are right."""

    def __init__(self, most: int) -> None:
        self._most = self._allowed = most
        self._ids: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._length = 0

    def guesses(self, ids: Sequence[int], most: int) -> list[int]:
        """Return ids that may follow `ids`, `most` at most; a sequence only ever grows."""
        self._follow(ids)
        if most < 1 or self._length <= _MATCH:
            return []
        seen = self._ids[: self._length]
        ends = np.flatnonzero(seen[_MATCH - 1 : -1] == seen[-1]) + _MATCH - 1
        for back in range(1, _MATCH):
            ends = ends[seen[ends - back] == seen[-1 - back]]
        if not ends.size:
            return []
        begin = int(ends[-1]) + 1  # after the last place they occurred
        found: list[int] = seen[begin : begin + min(most, self._allowed)].tolist()
        return found

    def learn(self, num_guessed: int, num_right: int) -> None:
        """Take how many guesses were right."""
        self._allowed = min(self._most, 2 * self._allowed) if num_right == num_guessed else max(1, num_right)

    def _follow(self, ids: Sequence[int]) -> None:
        if len(ids) > self._ids.size:
            self._ids = np.resize(self._ids, max(256, 2 * len(ids)))
        self._ids[self._length : len(ids)] = ids[self._length :]
        self._length = len(ids)
