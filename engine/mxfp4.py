"""MXFP4, the format of gpt-oss's expert weights: 4-bit floats in groups of 32 that share a power of two.

A group is sixteen bytes and one scale byte. The low nibble of a byte is the even element. A nibble is a sign bit and
an index into 0, .5, 1, 1.5, 2, 3, 4, 6 (e2m1); the value is that number times 2^(scale - 127). Source: OCP
Microscaling Formats v1.0.
"""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# N leading dimensions (any number), I inputs = G groups of S = 32 elements, B = 16 bytes of a group

from itertools import pairwise

import torch
from torch import Tensor

GROUP = 32
NAN_SCALE = 255  # stands for no number
_BIAS = 127
_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_VALUES = _MAGNITUDES + tuple(-magnitude for magnitude in _MAGNITUDES)
_BYTES = [(_VALUES[byte & 0x0F], _VALUES[byte >> 4]) for byte in range(256)]
_POWERS = [2.0 ** (scale - _BIAS) for scale in range(NAN_SCALE)] + [float("nan")]
_TWICE_AS_WIDE = {torch.bfloat16: torch.int32, torch.float16: torch.int32, torch.float32: torch.int64}
_MIDPOINTS = [(low + high) / 2 for low, high in pairwise(_MAGNITUDES)]


def dequantize(blocks_NGB: Tensor, scales_NG: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the values, [N, I], of uint8 blocks and scales; exact in float32 and bfloat16.

    Both values of a byte are looked up as one number of twice the width, which is several times faster than as a pair.
    """
    pairs = torch.tensor(_BYTES, dtype=dtype, device=blocks_NGB.device).view(_TWICE_AS_WIDE[dtype]).flatten()
    powers = torch.tensor(_POWERS, dtype=dtype, device=blocks_NGB.device)
    elements = pairs.index_select(0, blocks_NGB.flatten().int()).view(dtype)
    elements_NGS = elements.view(*scales_NG.shape, GROUP)
    return elements_NGS.mul_(powers[scales_NG.int()][..., None]).flatten(-2)


def quantize(weights_NI: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest blocks [N, G, 16] and scales [N, G]; what is already MXFP4 comes back unchanged.

    Each group takes the power of two with the least squared error: sometimes it pays to clip the largest element,
    sometimes to spare it.

    Raises:
        ValueError: if the last dimension is no multiple of 32.
    """
    if weights_NI.shape[-1] % GROUP:
        raise ValueError(f"cannot split {weights_NI.shape[-1]} inputs into MXFP4 groups of {GROUP}")
    groups_NGS = weights_NI.float().reshape(*weights_NI.shape[:-1], -1, GROUP)
    largest_NG = groups_NGS.abs().amax(dim=-1)
    fitting_NG = torch.frexp(largest_NG).exponent.int() - 3  # 4 ≤ largest / 2^fitting < 8, and the largest code is 6
    candidates = [_round(groups_NGS, fitting_NG + step) for step in (0, 1, -1)]
    errors = torch.stack([(dequantized - groups_NGS).square().sum(dim=-1) for _, _, dequantized in candidates])
    best_NG = errors.argmin(dim=0)
    codes_NGS = _pick([codes for codes, _, _ in candidates], best_NG[..., None])
    scales_NG = _pick([scales for _, scales, _ in candidates], best_NG)
    return codes_NGS[..., 0::2] | codes_NGS[..., 1::2] << 4, scales_NG


def _round(groups_NGS: Tensor, exponents_NG: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the nearest codes at the given powers of two, the scales, and what they stand for."""
    scales_NG = (exponents_NG + _BIAS).clamp(0, 254)
    powers_NG1 = torch.tensor(_POWERS, device=groups_NGS.device)[scales_NG][..., None]
    midpoints = torch.tensor(_MIDPOINTS, device=groups_NGS.device)
    magnitudes_NGS = torch.bucketize((groups_NGS.abs() / powers_NG1).contiguous(), midpoints)
    codes_NGS = magnitudes_NGS + 8 * (groups_NGS < 0)
    values_NGS = torch.tensor(_VALUES, device=groups_NGS.device)[codes_NGS] * powers_NG1
    return codes_NGS.to(torch.uint8), scales_NG.to(torch.uint8), values_NGS


def _pick(candidates: list[Tensor], best: Tensor) -> Tensor:
    """Take each element from the candidate that `best` numbers."""
    chosen = candidates[0]
    for number, candidate in enumerate(candidates[1:], start=1):
        chosen = torch.where(best == number, candidate, chosen)
    return chosen
