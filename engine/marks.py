"""Marks: the places of a sequence at which a later prompt is likely to branch off.

A sliding layer forgets, so a sequence can be rewound only to where its last window was kept. The end of a prompt is
such a place: the next one may leave out the reasoning that was sampled there. A run of many tool calls has many of
these, and is rewound to its first one once it is answered. That first prompt was itself rewound, or new; such a mark,
and one where other prompts were seen to part, is an *anchor*. Of each kind a number is kept, and those are let go first
whose loss costs least: the tokens to see again from the mark before, against the tokens that have come since.

A mark serves the tokens shortly before it too: the same prompt may come again, whose last token is then seen anew, and
what a grammar forces after a prompt is seen together with it.
"""

from collections.abc import Iterator
from typing import Self

BACK = 32  # tokens before a mark that it serves
_MOST_ANCHORS = 16
_MOST_OTHERS = 12


class Marks:
    """The marks of one sequence, by the length it had at each."""

    def __init__(self) -> None:
        self._are_anchors: dict[int, bool] = {}  # in the order of their lengths

    def __iter__(self) -> Iterator[int]:
        return iter(self._are_anchors)

    def __len__(self) -> int:
        return len(self._are_anchors)

    def __contains__(self, length: object) -> bool:
        return length in self._are_anchors

    def items(self) -> list[tuple[int, bool]]:
        """Return the lengths, and whether each is an anchor."""
        return list(self._are_anchors.items())

    def add(self, length: int, *, is_anchor: bool) -> int | None:
        """Add a mark behind the others; return the one that is let go for it, if any."""
        self._are_anchors[length] = is_anchor or self._are_anchors.get(length, False)
        kind = [each for each, other in self._are_anchors.items() if other == is_anchor]
        if len(kind) <= (_MOST_ANCHORS if is_anchor else _MOST_OTHERS):
            return None
        least = min(kind[:-1], key=self._cost)
        del self._are_anchors[least]
        return least

    def last_before(self, length: int) -> int:
        """Return the last mark at `length` or before; 0 is none."""
        return max((mark for mark in self if mark <= length), default=0)

    def up_to(self, length: int) -> Self:
        """Return a copy without those behind `length`."""
        other = type(self)()
        other._are_anchors = {mark: is_anchor for mark, is_anchor in self.items() if mark <= length}
        return other

    def _cost(self, length: int) -> float:
        """Return what a rewind to this mark would cost without it, for each token that has come since."""
        return (length - self.last_before(length - 1)) / (max(self) - length)
