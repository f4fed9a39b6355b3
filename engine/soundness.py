"""Whether a tensor's numbers may be weights: a file of the right size can still be damaged.

The largest magnitude tells, as the bits of a number without its sign: no bits at all are nothing but zeros, and those
of infinity or more are not finite. Bits are compared as fast as they are read, piece by piece.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.engine import mxfp4
from ostinato.engine.interface import CheckpointError
from ostinato.engine.tensor_file import COPY_AGAIN, StoredTensor

_STRETCH = 2**17  # numbers compared at once: they fit a cache
_KINDS: dict[str, tuple[np.dtype[np.unsignedinteger[Any]], int]] = {
    "U8": (np.dtype(np.uint8), 0xFF),
    "BF16": (np.dtype(np.uint16), 0x7FFF),
    "F16": (np.dtype(np.uint16), 0x7FFF),
    "F32": (np.dtype(np.uint32), 0x7FFFFFFF),
}
_INFINITY = {"BF16": 0x7F80, "F16": 0x7C00, "F32": 0x7F800000}


def largest_magnitude(content: NDArray[np.uint8], dtype: str) -> int:
    """Return the bits of the largest magnitude among the numbers of a safetensors type; 0 if there are none."""
    kind, magnitude = _KINDS[dtype]
    numbers = content.reshape(-1).view(kind)
    if dtype == "U8":
        return int(numbers.max(initial=0))
    room = np.empty(min(_STRETCH, len(numbers)), dtype=kind)
    largest = 0
    for begin in range(0, len(numbers), _STRETCH):
        stretch = numbers[begin : begin + _STRETCH]
        bits = np.bitwise_and(stretch, kind.type(magnitude), out=room[: len(stretch)])
        largest = max(largest, int(bits.max()))
    return largest


def check_finite(tensor: StoredTensor, largest: int) -> None:
    """Refuse numbers, also a part of a tensor's, that no weight can have.

    Raises:
        CheckpointError: if there is a NaN, an infinity, or a scale that stands for NaN.
    """
    is_nan_scale = tensor.dtype == "U8" and tensor.name.endswith("scales") and largest == mxfp4.NAN_SCALE
    if is_nan_scale or largest >= _INFINITY.get(tensor.dtype, largest + 1):
        raise CheckpointError(f"{tensor.name} holds numbers that are not finite; {COPY_AGAIN}")


def check_sound(tensor: StoredTensor, largest: int) -> None:
    """Refuse the numbers of a whole tensor if no weights can be so.

    Raises:
        CheckpointError: if one is not finite, or if all of a matrix are zeros.
    """
    check_finite(tensor, largest)
    if not largest and len(tensor.shape) > 1:
        raise CheckpointError(f"{tensor.name} holds nothing but zeros; {COPY_AGAIN}")
