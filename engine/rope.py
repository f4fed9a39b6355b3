"""Rotary position embedding with YaRN scaling (arXiv 2309.00071), in the rotate-half layout."""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# T tokens, H heads, K head dimension, R = K / 2 rotated pairs

import math

import torch
from torch import Tensor

from ostinato.engine.config import Rope


def inverse_frequencies(rope: Rope, head_dim: int) -> Tensor:
    """Return the angle per position of each pair, [R] float32.

    Pairs that turn often within the initial context keep their speed, those that turn rarely are slowed by `factor`,
    and a linear ramp joins the two.
    """
    exponents_R = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    plain_R = 1.0 / rope.theta**exponents_R
    if rope.factor == 1.0:
        return plain_R
    low, high = _ramp_bounds(rope, head_dim)
    ramp_R = ((torch.arange(head_dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    return plain_R / rope.factor * ramp_R + plain_R * (1 - ramp_R)


def concentration(rope: Rope) -> float:
    """Return what cosine and sine are multiplied by, which sharpens attention over the longer context."""
    if rope.attention_factor is not None:
        return rope.attention_factor
    return 0.1 * math.log(rope.factor) + 1.0 if rope.factor > 1 else 1.0


def rotation(rope: Rope, head_dim: int, positions_T: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scaled cosine and sine of each position, [T, R] float32 each."""
    frequencies_R = inverse_frequencies(rope, head_dim).to(positions_T.device)
    angles_TR = positions_T.to(torch.float32)[:, None] * frequencies_R
    scale = concentration(rope)
    return angles_TR.cos() * scale, angles_TR.sin() * scale


def rotate(x_THK: Tensor, cos_TR: Tensor, sin_TR: Tensor) -> Tensor:
    """Turn each pair (i, i + R) of every head by its position's angle."""
    first_THR, second_THR = x_THK.chunk(2, dim=-1)
    cos_T1R, sin_T1R = cos_TR[:, None, :], sin_TR[:, None, :]
    return torch.cat(
        (first_THR * cos_T1R - second_THR * sin_T1R, second_THR * cos_T1R + first_THR * sin_T1R),
        dim=-1,
    )


def _ramp_bounds(rope: Rope, head_dim: int) -> tuple[float, float]:
    """Return the pairs between which the ramp runs: those that turn `beta_fast` and `beta_slow` times."""

    def pair_turning(turns: float) -> float:
        wavelength = rope.initial_context_length / (turns * 2 * math.pi)
        return head_dim * math.log(wavelength) / (2 * math.log(rope.theta))

    low, high = pair_turning(rope.beta_fast), pair_turning(rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    return low, high if high != low else high + 0.001  # transformers' way round a ramp of no width
