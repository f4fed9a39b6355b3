import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from ostinato.engine import mxfp4

SCALES = st.integers(min_value=2, max_value=250)
SEEDS = st.integers(min_value=0, max_value=2**31)


def test_the_low_nibble_is_the_even_element_and_the_scale_a_power_of_two() -> None:
    blocks = torch.zeros(1, 16, dtype=torch.uint8)
    blocks[0, 0] = 0xF2  # 1.0, then -6.0
    blocks[0, 15] = 0x17  # 6.0, then 0.5

    values = mxfp4.dequantize(blocks, torch.tensor([128], dtype=torch.uint8))

    assert values[:2].tolist() == [2.0, -12.0]
    assert values[-2:].tolist() == [12.0, 1.0]
    assert values[2:-2].count_nonzero() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dequantising_equals_transformers_exactly(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 256, (3, 10, 2, 16), generator=generator, dtype=torch.uint8)
    scales = torch.randint(100, 140, (3, 10, 2), generator=generator, dtype=torch.uint8)

    theirs = convert_moe_packed_tensors(blocks, scales, dtype=dtype).transpose(1, 2)

    assert torch.equal(mxfp4.dequantize(blocks, scales, dtype=dtype), theirs)


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, scale=SCALES)
def test_what_is_already_mxfp4_survives_a_round_trip(seed: int, scale: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 256, (2, 3, 16), generator=generator, dtype=torch.uint8)
    values = mxfp4.dequantize(blocks, torch.full((2, 3), scale, dtype=torch.uint8))

    assert torch.equal(mxfp4.dequantize(*mxfp4.quantize(values)), values)


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, magnitude=st.integers(min_value=-60, max_value=60))
def test_no_scale_would_have_come_closer(seed: int, magnitude: int) -> None:
    group = torch.randn(1, 32, generator=torch.Generator().manual_seed(seed)) * 2.0**magnitude
    blocks, scales = mxfp4.quantize(group)
    error = (mxfp4.dequantize(blocks, scales) - group).square().sum()

    assert all(error <= error_at(group, scale) for scale in range(int(scales) - 3, int(scales) + 4))


def test_rounding_is_to_the_nearest_value() -> None:
    group = torch.zeros(32)
    group[:9] = torch.tensor([6.0, 0.2, 0.3, 0.7, 1.3, 1.8, 2.6, 3.6, -5.1])

    values = mxfp4.dequantize(*mxfp4.quantize(group))

    assert values[:9].tolist() == [6.0, 0.0, 0.5, 0.5, 1.5, 2.0, 3.0, 4.0, -6.0]


@pytest.mark.parametrize("value", [0.0, 2.0**-130, -(2.0**-126), 2.0**127], ids=["zero", "tiny", "small", "huge"])
def test_extreme_groups_stay_finite(value: float) -> None:
    values = mxfp4.dequantize(*mxfp4.quantize(torch.full((1, 32), value)))

    assert values.isfinite().all()
    assert (values - value).abs().max() <= 2.0**-127 or torch.equal(values, torch.full((1, 32), value))


def test_inputs_that_do_not_fill_their_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot split 40 inputs into MXFP4 groups of 32"):
        mxfp4.quantize(torch.zeros(2, 40))


def error_at(group: torch.Tensor, scale: int) -> torch.Tensor:
    """Return the squared error if the group had this scale, by looking at every value there is."""
    blocks = torch.arange(16, dtype=torch.uint8)[None]
    grid = mxfp4.dequantize(blocks, torch.tensor([scale], dtype=torch.uint8))[0::2]
    return (group[..., None] - grid).abs().amin(dim=-1).square().sum()
