import numpy as np
import pytest
import torch

from ostinato.engine.mask import Masks


def packed(allowed: set[int], size: int) -> np.ndarray:
    return np.packbits([number in allowed for number in range(size)], bitorder="little")


@pytest.mark.parametrize("allowed", [{0, 9, 99}, set(range(100)) - {7, 42}, set(range(100)), {99}], ids=len)
def test_only_what_is_allowed_keeps_its_logit(allowed: set[int]) -> None:
    logits = torch.arange(100.0)

    masked = Masks().apply(logits.clone(), packed(allowed, 100))

    assert set(masked.isfinite().nonzero().flatten().tolist()) == allowed
    assert all(masked[number] == logits[number] for number in allowed)


def test_ids_beyond_the_mask_are_not_allowed() -> None:
    masked = Masks().apply(torch.zeros(100), packed(set(range(16)), 16))

    assert masked.isfinite().nonzero().flatten().tolist() == list(range(16))


def test_bits_beyond_the_logits_mean_nothing() -> None:
    assert Masks().apply(torch.zeros(10), packed(set(range(64)), 64)).isfinite().all()


def test_masks_that_come_again_are_told_apart() -> None:
    masks, sets = Masks(), [{number, 2 * number} for number in range(20)]
    arrays = [packed(allowed, 50) for allowed in sets]

    for allowed, bits in [*zip(sets, arrays, strict=True)] * 2:
        assert set(masks.apply(torch.zeros(50), bits).isfinite().nonzero().flatten().tolist()) == allowed
