"""MXFP4, the format of gpt-oss's expert weights: 4-bit floats in groups of 32 that share a power of two.

A group is sixteen bytes and one scale byte. The low nibble of a byte is the even element. A nibble is a sign bit and
an index into 0, .5, 1, 1.5, 2, 3, 4, 6 (e2m1); the value is that number times 2^(scale - 127). Source: OCP
Microscaling Formats v1.0.
"""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# *N leading dimensions, G groups, S = 32 elements of a group, B = 16 bytes of a group

import torch
from torch import Tensor

GROUP = 32
_BIAS = 127
_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_VALUES = _MAGNITUDES + tuple(-magnitude for magnitude in _MAGNITUDES)


def dequantize(blocks_NGB: Tensor, scales_NG: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the exact values, [*N, G * 32], of uint8 `blocks_NGB` and `scales_NG`."""
    values = torch.tensor(_VALUES, dtype=dtype, device=blocks_NGB.device)
    nibbles_NGS = torch.stack((blocks_NGB & 0x0F, blocks_NGB >> 4), dim=-1).flatten(-2)
    exponents_NG = scales_NG.to(torch.int32) - _BIAS
    return torch.ldexp(values[nibbles_NGS.int()], exponents_NG[..., None]).to(dtype).flatten(-2)
