"""Tiny models with random weights, on one thread."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ostinato.engine.checkpoint import save_checkpoint
from ostinato.engine.config import ModelConfig, Rope, alternating
from ostinato.engine.layouts import tensor_shapes

BASE = ModelConfig(
    vocab_size=97,
    hidden_size=64,
    intermediate_size=32,
    num_query_heads=4,
    num_kv_heads=2,
    head_dim=16,
    num_experts=4,
    experts_per_token=2,
    layer_types=alternating(4),
    context_length=1024,
    sliding_window=8,
    rope=Rope(factor=8.0, initial_context_length=128),
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def config() -> ModelConfig:
    return BASE


@pytest.fixture(scope="session")
def make_tensors() -> Callable[..., dict[str, Tensor]]:
    """Random tensors by their Hugging Face names, large enough that every part of the model matters."""

    def make(config: ModelConfig, *, seed: int = 0) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {
            name: 0.2 * torch.randn(shape, generator=generator) + name.endswith("norm.weight")
            for name, shape in tensor_shapes(config, is_packed=False).items()
        }

    return make


@pytest.fixture(scope="session")
def tensors(config: ModelConfig, make_tensors: Callable[..., dict[str, Tensor]]) -> Mapping[str, Tensor]:
    return make_tensors(config)


@pytest.fixture(scope="session")
def folder(config: ModelConfig, tensors: Mapping[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the official layout with MXFP4 experts. Tests must not change it."""
    path = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(path, config, tensors)
    return path


@pytest.fixture(scope="session")
def prompt() -> list[int]:
    """Forty ids: several windows long."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, BASE.vocab_size, (40,), generator=generator).tolist()


@pytest.fixture(scope="session")
def variants() -> dict[str, ModelConfig]:
    """Models that differ in one thing each."""
    return {
        "as released": BASE,
        "without rope scaling": replace(BASE, rope=Rope(factor=1.0, theta=10_000.0)),
        "with a ramp cut to whole pairs": replace(BASE, rope=replace(BASE.rope, truncate=True)),
        "with the released rope": replace(BASE, rope=Rope()),
        "with a window of one": replace(BASE, sliding_window=1),
        "with a window longer than the prompt": replace(BASE, sliding_window=100),
        "with one layer": replace(BASE, layer_types=alternating(1)),
        "with full layers only": replace(BASE, layer_types=("full_attention",) * 2),
        "with one expert of five": replace(BASE, num_experts=5, experts_per_token=1),
        "with every expert": replace(BASE, num_experts=3, experts_per_token=3),
        "with a head each": replace(BASE, num_kv_heads=4, head_dim=10),
        "with tight clamps": replace(BASE, swiglu_limit=0.5, swiglu_alpha=1.1, norm_eps=1e-3),
    }
