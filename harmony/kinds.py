"""What an id is to the parser: text, or one of the special tokens that shape a stream of messages."""

from collections.abc import Mapping
from enum import IntEnum, auto
from functools import lru_cache
from types import MappingProxyType

from ostinato.harmony.tokenizer import Tokenizer


class Kind(IntEnum):
    """A kind of id. A terminator is any token that ends a message."""

    TEXT = auto()
    START = auto()
    CHANNEL = auto()
    MESSAGE = auto()
    CONSTRAIN = auto()
    TERMINATOR = auto()
    SPECIAL = auto()


@lru_cache(maxsize=8)  # there are a thousand of them, and each generation has a parser of its own
def special_kinds(tokenizer: Tokenizer) -> Mapping[int, Kind]:
    """Return the kind of each special id; all other ids, even outside the vocabulary, are text."""
    kinds = dict.fromkeys(tokenizer.special_ids().values(), Kind.SPECIAL)
    kinds |= dict.fromkeys(tokenizer.terminators, Kind.TERMINATOR)
    kinds |= {
        tokenizer.start: Kind.START,
        tokenizer.channel: Kind.CHANNEL,
        tokenizer.message: Kind.MESSAGE,
        tokenizer.constrain: Kind.CONSTRAIN,
    }
    return MappingProxyType(kinds)
