"""The content of a message while it is written: free text, JSON by a schema, or nothing but its end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ostinato.harmony.grammar_bits import Bits, few_ids

if TYPE_CHECKING:
    from llguidance import LLMatcher


Seen = dict[bytes, "Sequence[int] | Bits"]
_MOST_SEEN = 128  # masks of 25 kB each, packed and unpacked


class Body(Protocol):
    """What may come next in a content; the terminator is among `allowed` wherever `can_end`."""

    @property
    def can_end(self) -> bool:
        """Whether the message may end here."""

    def allowed(self) -> Sequence[int] | Bits:
        """Return what may come next."""

    def accept(self, number: int) -> bool:
        """Take an id other than the terminator; return False if it may not come here."""


class Text:
    """Any of a fixed set of ids, as often as one likes."""

    def __init__(self, bits: Bits, *, can_end: bool = True) -> None:
        self.can_end = can_end
        self._bits = bits
        self._bytes = bits.tobytes()  # a quarter of numpy's time for a single element

    def allowed(self) -> Bits:
        """Return the set."""
        return self._bits

    def accept(self, number: int) -> bool:
        """Say whether the id is in the set."""
        return 0 <= number < 8 * len(self._bytes) and bool(self._bytes[number >> 3] >> (number & 7) & 1)


class End:
    """Nothing but the terminator."""

    can_end = True

    def __init__(self, terminator: int) -> None:
        self._allowed = (terminator,)

    def allowed(self) -> tuple[int, ...]:
        """Return the terminator."""
        return self._allowed

    def accept(self, number: int) -> bool:
        """Refuse."""
        return False


class Anything:
    """Whatever comes."""

    can_end = False

    def __init__(self, bits: Bits) -> None:
        self._bits = bits

    def allowed(self) -> Bits:
        """Return every id."""
        return self._bits

    def accept(self, number: int) -> bool:
        """Take it."""
        return True


class Json:
    """A JSON document, as llguidance's matcher lets it go on.

    A matcher that fails (a document beyond its limits) leaves the rest of the content free: `fallback`. `seen` is what
    documents with the same terminator share: the masks that come again and again, unpacked.
    """

    def __init__(self, matcher: "LLMatcher", *, end: int, terminator: int, fallback: Text, seen: Seen) -> None:
        self._matcher, self._fallback = matcher, fallback
        self._end, self._terminator = end, terminator
        self._seen = seen
        self._mask = b""
        self._is_current = False

    @property
    def can_end(self) -> bool:
        """Whether the document is complete."""
        return self._matcher.is_error() or self._matcher.is_accepting()

    def allowed(self) -> Sequence[int] | Bits:
        """Return what may come next; few ids as themselves."""
        if not self._is_current:
            self._is_current = True
            self._mask = self._matcher.compute_bitmask()
        if self._matcher.is_error():
            return self._fallback.allowed()
        if self._mask not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[self._mask] = self._unpacked(self._mask)
        return self._seen[self._mask]

    def accept(self, number: int) -> bool:
        """Go on with the document."""
        if not self._fallback.accept(number):
            return False
        self._is_current = False
        return self._matcher.is_error() or self._matcher.consume_token(number)

    def _unpacked(self, mask: bytes) -> Sequence[int] | Bits:
        bits = np.zeros_like(self._fallback.allowed())
        size = min(bits.size, len(mask))
        bits[:size] = np.frombuffer(mask, dtype=np.uint8)[:size]
        end = np.uint8(1 << (self._end & 7))
        if bits[self._end >> 3] & end:
            bits[self._end >> 3] &= ~end
            bits[self._terminator >> 3] |= np.uint8(1 << (self._terminator & 7))
        few = few_ids(bits)
        return bits if few is None else few
