from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from ostinato.engine.config import ModelConfig
from ostinato.engine.kv_cache import LayerCache
from ostinato.engine.model import Transformer


@pytest.mark.parametrize("window", [None, 1, 5, 600])
@pytest.mark.parametrize("lengths", [[1] * 50, [700, 700, 1, 1], [3, 1500, 1], [256] * 6], ids=str)
def test_a_layer_returns_exactly_what_its_new_tokens_see(window: int | None, lengths: list[int]) -> None:
    cache = layer(window)
    for length in lengths:
        begin = cache.length
        keys, values = append(cache, length)

        oldest = 0 if window is None else max(0, begin - window + 1)
        assert values[0, :, 0].tolist() == list(range(oldest, begin + length))
        assert torch.equal(keys.transpose(1, 2), values)


def test_a_sliding_layer_does_not_grow() -> None:
    cache = layer(8)
    append(cache, 100)
    before = room(cache)

    for _ in range(100):
        append(cache, 64)

    assert room(cache) == before


def test_another_sequence_can_branch_off_a_full_layer_anywhere_and_a_sliding_one_as_far_as_it_holds() -> None:
    full, sliding = layer(None), layer(8)
    for cache in (full, sliding):
        append(cache, 500)
        append(cache, 500)  # does not fit behind the first: the sliding layer keeps 461 to 999

    assert full.can_branch(0)
    assert sliding.can_branch(468)
    assert not sliding.can_branch(467)
    assert not sliding.can_branch(1001)


def test_a_branch_goes_on_by_itself(config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]) -> None:
    model = Transformer(config, tensors)
    cache = model.new_cache()
    model.advance(prompt, cache)
    assert cache.branching_point(25) == 25
    branch = cache.branch(25)

    continued = model.logits(model.advance([1, 2, 3], branch))
    gone_on = model.logits(model.advance([1, 2, 3], cache))

    fresh = model.logits(model.advance([*prompt[:25], 1, 2, 3], model.new_cache()))[-3:]
    torch.testing.assert_close(continued, fresh, atol=1e-5, rtol=0)
    fresh = model.logits(model.advance([*prompt, 1, 2, 3], model.new_cache()))[-3:]
    torch.testing.assert_close(gone_on, fresh, atol=1e-5, rtol=0)


def test_no_sequence_branches_off_where_the_window_is_gone(config: ModelConfig, tensors: Mapping[str, Tensor]) -> None:
    model = Transformer(config, tensors)
    cache = model.new_cache()
    for _ in range(3):
        model.advance([1] * 250, cache)

    assert cache.branching_point(100) == 0
    assert cache.branching_point(750) == 750


def layer(window: int | None) -> LayerCache:
    return LayerCache((2, 4), window=window, device=torch.device("cpu"), dtype=torch.float32)


def append(cache: LayerCache, length: int) -> Sequence[Tensor]:
    """Append tokens whose keys and values are their positions."""
    positions = torch.arange(cache.length, cache.length + length, dtype=torch.float32)
    values = positions[None, :, None].expand(2, length, 4)
    return cache.append(values.transpose(1, 2), values)


def room(cache: LayerCache) -> int:
    keys, _ = append(cache, 1)
    return keys.untyped_storage().nbytes()
