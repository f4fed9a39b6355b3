"""The bundled vocabulary of gpt-oss: o200k_base ranks plus harmony's special tokens.

`ranks/o200k_base.xz` holds one byte per token with its length, then the bytes of all tokens, in the order of their
ranks. That is half the size of a gzip of the published base64 file and loads in half the time.
"""

import hashlib
import lzma
from importlib.resources import files
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from ostinato.harmony.errors import HarmonyError

if TYPE_CHECKING:
    import tiktoken

COUNT = 199_998
SHA256 = "440741350e7cfa1c0f4869ce742d1b043550adbda5187adcac9e787edac6fba9"  # of the unpacked file
PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
SPECIAL_TOKENS = {
    "<|startoftext|>": 199_998,
    "<|endoftext|>": 199_999,
    "<|return|>": 200_002,
    "<|constrain|>": 200_003,
    "<|channel|>": 200_005,
    "<|start|>": 200_006,
    "<|end|>": 200_007,
    "<|message|>": 200_008,
    "<|call|>": 200_012,
}


def load_encoding() -> "tiktoken.Encoding":
    """Build the o200k_harmony encoding.

    Raises:
        HarmonyError: if the bundled ranks are missing or damaged.
    """
    import tiktoken

    named = set(SPECIAL_TOKENS.values())
    reserved = {f"<|reserved_{number}|>": number for number in range(200_000, 201_088) if number not in named}
    return tiktoken.Encoding(
        name="o200k_harmony",
        pat_str=PATTERN,
        mergeable_ranks=unpack(_bundled_ranks()),
        special_tokens=SPECIAL_TOKENS | reserved,
    )


def unpack(compressed: bytes) -> dict[bytes, int]:
    """Unpack the rank file and check that it is the published one."""
    try:
        content = lzma.decompress(compressed)
    except lzma.LZMAError as error:
        raise HarmonyError(f"the bundled vocabulary is damaged ({error}); reinstall ostinato") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise HarmonyError(f"the bundled vocabulary is damaged (sha256 {digest}, not {SHA256}); reinstall ostinato")
    ends = accumulate(content[:COUNT], initial=COUNT)
    return {content[begin:end]: rank for rank, (begin, end) in enumerate(pairwise(ends))}


def _bundled_ranks() -> bytes:
    path = files("ostinato.harmony") / "ranks" / "o200k_base.xz"
    try:
        return path.read_bytes()
    except OSError as error:
        raise HarmonyError(f"the bundled vocabulary cannot be read ({error}); reinstall ostinato") from error
