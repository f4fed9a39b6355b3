from dataclasses import replace

import pytest
import torch
from transformers import GptOssConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from ostinato.engine.attention import Rotation
from ostinato.engine.config import ModelConfig, Rope
from ostinato.engine.rope import concentration, inverse_frequencies, rotate, rotation


@pytest.mark.parametrize("truncate", [False, True])
@pytest.mark.parametrize("factor", [2.0, 32.0])
def test_yarn_equals_transformers(factor: float, truncate: bool, config: ModelConfig) -> None:
    rope = Rope(factor=factor, truncate=truncate)
    fields = replace(config, head_dim=64, rope=rope, context_length=int(4096 * factor)).to_fields()

    frequencies, scale = ROPE_INIT_FUNCTIONS["yarn"](GptOssConfig(**fields))

    torch.testing.assert_close(inverse_frequencies(rope, 64), frequencies, rtol=1e-6, atol=0)
    assert concentration(rope) == pytest.approx(scale)


def test_a_factor_of_one_changes_nothing() -> None:
    rope = Rope(factor=1.0, theta=10_000.0)

    assert concentration(rope) == 1
    assert inverse_frequencies(rope, 4).tolist() == pytest.approx([1.0, 0.01])


def test_products_of_turned_heads_depend_on_distance_alone() -> None:
    first, second = torch.randn(2, 1, 3, 16, generator=torch.Generator().manual_seed(0))

    def product(here: int, there: int) -> torch.Tensor:
        turned = [
            rotate(head, *rotation(Rope(), 16, torch.tensor([place])))
            for head, place in ((first, here), (second, there))
        ]
        return (turned[0] * turned[1]).sum(dim=-1)

    torch.testing.assert_close(product(7, 3), product(1007, 1003), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(product(7, 3), product(7, 4), rtol=1e-3)


def test_the_table_turns_as_the_plain_form_does(config: ModelConfig) -> None:
    heads = torch.randn(5, 3, config.head_dim, generator=torch.Generator().manual_seed(0))
    table = Rotation.table(config, device=torch.device("cpu"), dtype=torch.float32)

    plain = rotate(heads, *rotation(config.rope, config.head_dim, torch.arange(20, 25)))

    torch.testing.assert_close(table.at(20, 25).turn(heads), plain)
