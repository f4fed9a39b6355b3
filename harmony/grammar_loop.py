"""LoopDetector: notices that ids repeat themselves without end.

Looping models write a phrase, a paragraph or a cycle of punctuation over and over. What is taken for a loop is far
beyond what an honest text holds: at least 1,024 ids that are eight or more repeats of at most 512.

Every 256 ids the last 4,096 are looked at, once. Read backwards, the border of a prefix (Knuth, Morris and Pratt 1977)
of n ids gives the shortest period of the last n, so one pass answers for all lengths, and an id costs about the same
however long the text is.
"""

from collections import deque
from collections.abc import Sequence

_LENGTHS = (1024, 2048, 4096)
_REPEATS = 8
_INTERVAL = 256


class LoopDetector:
    """Watches ids go by."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=max(_LENGTHS))
        self._count = 0

    def feed(self, number: int) -> bool:
        """Take the next id and say whether the last ones are a loop; only every 256th answer may be yes."""
        self._last.append(number)
        self._count += 1
        if self._count % _INTERVAL or len(self._last) < min(_LENGTHS):
            return False
        borders = _borders([*reversed(self._last)])
        return any(length - borders[length - 1] <= length // _REPEATS for length in _LENGTHS if length <= len(borders))


def _borders(ids: Sequence[int]) -> list[int]:
    """Return for each prefix the length of its longest proper prefix that is also its suffix."""
    borders = [0] * len(ids)
    border = 0
    for index in range(1, len(ids)):
        number = ids[index]
        while border and number != ids[border]:
            border = borders[border - 1]
        if number == ids[border]:
            border += 1
        borders[index] = border
    return borders
