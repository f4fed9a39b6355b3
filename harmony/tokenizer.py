"""Tokenizer: text ⇄ token ids, for the bundled o200k_harmony vocabulary or one read from a file.

A vocabulary file is JSON that describes itself:

    {"format": "ostinato-vocabulary-1", "name": "…", "pattern": "<regex>",
     "ranks": {"<base64 of the token's bytes>": id, …}, "special_tokens": {"<|start|>": id, …}}
"""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ostinato.harmony.errors import HarmonyError

if TYPE_CHECKING:
    import tiktoken

FORMAT = "ostinato-vocabulary-1"
NAMES = ("o200k_harmony", "HarmonyGptOss")  # the second is what openai-harmony calls it
REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
SAMPLE = """The quick brown fox jumps over 13 lazy dogs; question: what's 3.14159 * 2^10, in Köln or 東京? 🎵
def answer(numbers: list[int]) -> float:\n    return sum(n ** 2 for n in numbers) / len(numbers)  # mean square
{"city": "New York", "temperature": -4.5, "unit": "celsius"} analysis commentary final functions python code json
Monday Tuesday January February kilometres miles converted reversed sorted counted letters words days between"""
LONGEST_SPACE = 50_000  # tiktoken's regex overflows its stack somewhere between 100,000 and 1,000,000 spaces in a row


class Tokenizer:
    """A byte-pair vocabulary with the special tokens of harmony.

    `start`, `end`, `message`, `channel`, `constrain`, `call` and `return_` are the ids of those tokens.
    `stop_ids` end a generation; `terminators` end a message.

    Raises:
        HarmonyError: if the vocabulary lacks one of harmony's special tokens.
    """

    def __init__(self, encoding: "tiktoken.Encoding") -> None:
        self.encoding = encoding
        self._specials = {encoding.encode_single_token(name): name for name in encoding.special_tokens_set}
        ids = {name: number for number, name in self._specials.items()}
        required = ("start", "end", "message", "channel", "constrain", "call", "return")
        missing = [f"<|{name}|>" for name in required if f"<|{name}|>" not in ids]
        if missing:
            raise HarmonyError(f"the vocabulary {encoding.name!r} has no token {', '.join(missing)}; harmony needs it")
        self.start = ids["<|start|>"]
        self.end = ids["<|end|>"]
        self.message = ids["<|message|>"]
        self.channel = ids["<|channel|>"]
        self.constrain = ids["<|constrain|>"]
        self.call = ids["<|call|>"]
        self.return_ = ids["<|return|>"]
        end_of_text = {ids["<|endoftext|>"]} if "<|endoftext|>" in ids else set()
        self.stop_ids = frozenset({self.return_, self.call} | end_of_text)
        self.terminators = self.stop_ids | {self.end}

    @classmethod
    def o200k_harmony(cls) -> "Tokenizer":
        """Return the vocabulary of gpt-oss from the bundled ranks; loaded once per process, never downloaded."""
        return _o200k_harmony()

    @classmethod
    def named(cls, name: str) -> "Tokenizer":
        """Return a bundled vocabulary by its name, or by the name openai-harmony has for it.

        Raises:
            HarmonyError: if no vocabulary of that name is bundled.
        """
        if name not in NAMES:
            raise HarmonyError(
                f"no vocabulary named {name!r} is bundled; there is {NAMES[0]} (in openai-harmony: {NAMES[1]}), "
                "and Tokenizer.from_file reads others"
            )
        return cls.o200k_harmony()

    @classmethod
    def from_file(cls, path: str | Path) -> "Tokenizer":
        """Read a vocabulary file.

        Raises:
            HarmonyError: if the file is not a vocabulary.
        """
        return cls(_read(Path(path)))

    def save(self, path: str | Path) -> None:
        """Write the vocabulary to a file that `from_file` reads."""
        ranks = {base64.b64encode(key).decode(): rank for rank, key in self._ordinary_tokens()}
        vocabulary = {
            "format": FORMAT,
            "name": self.encoding.name,
            "pattern": self.encoding._pat_str,
            "ranks": ranks,
            "special_tokens": {name: number for number, name in sorted(self._specials.items())},
        }
        Path(path).write_text(json.dumps(vocabulary, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        return self.encoding.n_vocab

    @property
    def fingerprint(self) -> str:
        """Tell vocabularies of one name apart: a hash of the size, the special tokens, and the ids of a sample text."""
        told = [self.vocab_size, sorted(self._specials.items()), self.encode(SAMPLE)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def encode(self, text: str, *, allowed_special: Literal["all"] | Collection[str] = ()) -> list[int]:
        """Encode text: the name of a special token becomes its id only if it is among `allowed_special`.

        A lone surrogate, which no UTF-8 can hold, is encoded as U+FFFD.

        Raises:
            HarmonyError: if `allowed_special` names what is no special token.
        """
        if allowed_special:
            return self._encode_with(
                set(self._specials.values() if allowed_special == "all" else allowed_special), text
            )
        if len(text) <= LONGEST_SPACE:
            return self.encoding.encode_ordinary(text)
        return [number for piece in _pieces(text) for number in self.encoding.encode_ordinary(piece)]

    def decode(self, ids: Iterable[int], *, errors: Literal["replace", "strict"] = "replace") -> str:
        """Decode ids to text; bytes that are not UTF-8, and ids outside the vocabulary, become U+FFFD.

        Raises:
            HarmonyError: at such bytes or ids, if `errors` is "strict".
        """
        if errors == "replace":
            return self.decode_bytes(ids).decode("utf-8", errors="replace")
        ids = list(ids)
        unknown = [number for number in ids if not self._has(number)]
        if unknown:
            raise HarmonyError(f"id {unknown[0]!r} is not in the vocabulary {self.encoding.name!r}")
        try:
            return self.decode_bytes(ids).decode("utf-8")
        except UnicodeDecodeError as error:
            raise HarmonyError(f"the ids are no UTF-8 ({error}); a character may be cut in two") from error

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Decode ids to bytes; special tokens give their name, an id outside the vocabulary gives U+FFFD."""
        return b"".join(map(self.token_bytes, ids))

    def token_bytes(self, number: int) -> bytes:
        """Return the bytes of one id."""
        try:
            return self.encoding.decode_single_token_bytes(number)
        except (KeyError, OverflowError):
            return REPLACEMENT

    def is_special(self, number: int) -> bool:
        """Whether the id is a special token."""
        return number in self._specials

    def special_name(self, number: int) -> str:
        """Return the name of a special id, such as `<|start|>`.

        Raises:
            HarmonyError: if the id is not a special token.
        """
        if number not in self._specials:
            raise HarmonyError(f"id {number!r} is no special token of {self.encoding.name!r}")
        return self._specials[number]

    def special_ids(self) -> Mapping[str, int]:
        """Return the id of each special token by its name."""
        return {name: number for number, name in self._specials.items()}

    def _encode_with(self, allowed: set[str], text: str) -> list[int]:
        unknown = sorted(allowed - set(self._specials.values()))
        if unknown:
            raise HarmonyError(f"{unknown[0]!r} is no special token of {self.encoding.name!r}")
        pieces = _pieces(text) if len(text) > LONGEST_SPACE else [text]
        encode = self.encoding.encode
        return [number for piece in pieces for number in encode(piece, allowed_special=allowed, disallowed_special=())]

    def _has(self, number: int) -> bool:
        try:
            self.encoding.decode_single_token_bytes(number)
        except (KeyError, OverflowError):
            return False
        return True

    def _ordinary_tokens(self) -> Iterator[tuple[int, bytes]]:
        for number in range(self.vocab_size):
            if number not in self._specials:
                try:
                    yield number, self.encoding.decode_single_token_bytes(number)
                except KeyError:
                    continue  # a hole between the ranks and the special tokens


@cache
def _o200k_harmony() -> Tokenizer:
    from ostinato.harmony.o200k import load_encoding

    return Tokenizer(load_encoding())


def _read(path: Path) -> "tiktoken.Encoding":
    import tiktoken

    try:
        vocabulary = json.loads(path.read_text(encoding="utf-8"))
        if vocabulary["format"] != FORMAT:
            raise HarmonyError(f"{path} has format {vocabulary['format']!r}; this version reads {FORMAT!r}")
        ranks = {base64.b64decode(key): rank for key, rank in vocabulary["ranks"].items()}
        specials = vocabulary["special_tokens"]
        _check(ranks, specials)
        return tiktoken.Encoding(
            name=vocabulary["name"], pat_str=vocabulary["pattern"], mergeable_ranks=ranks, special_tokens=specials
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise HarmonyError(f"{path} is not a vocabulary file: {error!r}") from error


def _check(ranks: Mapping[bytes, int], specials: Mapping[str, int]) -> None:
    """Refuse what tiktoken would take and then panic at."""
    ids = [*ranks.values(), *specials.values()]
    if len(set(ids)) < len(ids):
        raise ValueError("two tokens have the same id")
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise ValueError(f"there is no token for byte {missing[0]}, so that not every text can be written")


def _pieces(text: str) -> Sequence[str]:
    """Cut very long runs of white space, which overflow the stack of tiktoken's regex engine."""
    cuts = [0]
    for run in re.finditer(r"\s+", text):
        cuts.extend(range(run.start() + LONGEST_SPACE, run.end(), LONGEST_SPACE))
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]
