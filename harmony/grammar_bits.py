"""Sets of ids as packed bits: id i is bit i % 8 of byte i // 8; their length is a multiple of eight bytes."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ostinato.harmony.tokenizer import Tokenizer

Bits = NDArray[np.uint8]

_FEW = 1280  # words of 64 bits with a bit in them, up to which the ids themselves are told: numbers are


@lru_cache(maxsize=8)
def ordinary(tokenizer: Tokenizer) -> Bits:
    """Return the ids that stand for text; special ids and holes of the vocabulary are not among them."""
    ranks = tokenizer.encoding._mergeable_ranks
    is_in = np.zeros(tokenizer.vocab_size, dtype=np.bool_)
    is_in[np.fromiter(ranks.values(), dtype=np.int64, count=len(ranks))] = True
    return _packed(is_in)


def everything(tokenizer: Tokenizer) -> Bits:
    """Return all ids of the vocabulary."""
    return _packed(np.ones(tokenizer.vocab_size, dtype=np.bool_))


def with_id(bits: Bits, number: int) -> Bits:
    """Return a copy that holds `number` too."""
    copied = bits.copy()
    copied[number >> 3] |= np.uint8(1 << (number & 7))
    return copied


def few_ids(bits: Bits) -> tuple[int, ...] | None:
    """Return the ids if they are few, None if not."""
    words = np.flatnonzero(bits.view(np.uint64))
    if words.size > _FEW:
        return None
    rows, columns = np.nonzero(bits.reshape(-1, 8)[words])
    places = words[rows] * 8 + columns
    indices, within = np.nonzero(np.unpackbits(bits[places, None], axis=1, bitorder="little"))
    return tuple((places[indices] * 8 + within).tolist())


def _packed(is_in: NDArray[np.bool_]) -> Bits:
    return np.packbits(np.pad(is_in, (0, -is_in.size % 64)), bitorder="little")


def ranges(bits: Bits) -> Iterator[tuple[int, int]]:
    """Return the runs of ids, first and last of each."""
    padded = np.concatenate(([0], np.unpackbits(bits, bitorder="little"), [0])).astype(np.int8)
    edges = np.flatnonzero(np.diff(padded))
    for begin, end in edges.reshape(-1, 2).tolist():
        yield begin, end - 1
