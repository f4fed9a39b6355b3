"""JSON as it comes out of openai-harmony: written by Python, read and written again by Rust's serde_json.

serde_json, as openai-harmony builds it, reads numbers quickly rather than exactly: it gathers the digits that fit 64
bits and multiplies or divides them by a power of ten, so that the last digit may differ from what was meant.
"""

import json
import math
import re
from collections.abc import Mapping

MOST = 2**64 - 1  # what the digits of a number are gathered in
NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?")


def rust_json(value: object) -> str:
    """Write JSON as serde_json does: compact, UTF-8, its own shape for numbers with an exponent."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{rust_json(key)}:{rust_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(rust_json, value)) + "]"
    if isinstance(value, float) or (isinstance(value, int) and not -(2**63) <= value <= MOST):
        return _float_text(_read_again(value))
    return json.dumps(value, ensure_ascii=False)


def _read_again(value: float) -> float:
    """Return what serde_json makes of a number that Python wrote; what it would refuse stays as it is."""
    written = NUMBER.fullmatch(json.dumps(value))
    if written is None:
        return value
    sign, whole, fraction, exponent = written.groups(default="")
    significand, power = 0, int(exponent or 0)
    for index, digit in enumerate(whole + fraction):
        if significand * 10 + int(digit) > MOST:
            power += max(len(whole) - index, 0)  # a digit left out of the whole part still counts its place
            break
        significand = significand * 10 + int(digit)
        power -= index >= len(whole)
    read = _scaled(float(significand), power)
    return -read if sign else read


def _scaled(value: float, power: int) -> float:
    """Multiply by a power of ten in floating point, as serde_json does."""
    while power < -308 and value:
        value, power = value / 1e308, power + 308
    if power < -308:
        return value
    return value * float(f"1e{power}") if power >= 0 else value / float(f"1e{-power}")


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    mantissa, mark, exponent = repr(value).partition("e")
    if not mark:
        return mantissa
    if exponent == "-05":
        sign = "-" if value < 0 else ""
        return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"
    return f"{mantissa}e{int(exponent)}"
