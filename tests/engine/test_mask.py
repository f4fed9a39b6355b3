import numpy as np
import pytest

from ostinato.engine.mask import Masks


def packed(allowed: set[int], size: int) -> np.ndarray:
    return np.packbits([number in allowed for number in range(size)], bitorder="little")


def left(bits: np.ndarray, size: int, masks: Masks | None = None) -> list[int]:
    """Return the ids that a mask leaves."""
    logits = np.arange(size, dtype=np.float32)
    (masks or Masks()).apply(logits, bits)
    ids = np.flatnonzero(np.isfinite(logits)).tolist()
    assert logits[ids].tolist() == ids
    return ids


@pytest.mark.parametrize("allowed", [{0, 9, 99}, set(range(100)) - {7, 42}, set(range(100)), {99}], ids=len)
def test_only_what_is_allowed_keeps_its_logit(allowed: set[int]) -> None:
    assert left(packed(allowed, 100), 100) == sorted(allowed)


def test_ids_beyond_the_mask_are_not_allowed() -> None:
    assert left(packed(set(range(16)), 16), 100) == list(range(16))


def test_bits_beyond_the_logits_mean_nothing() -> None:
    assert left(packed(set(range(64)), 64), 10) == list(range(10))


def test_masks_that_come_again_are_told_apart() -> None:
    masks, sets = Masks(), [{number, 2 * number} for number in range(20)]
    arrays = [packed(allowed, 50) for allowed in sets]

    for allowed, bits in [*zip(sets, arrays, strict=True)] * 2:
        assert left(bits, 50, masks) == sorted(allowed)
