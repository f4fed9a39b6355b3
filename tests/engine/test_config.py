import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import GptOssConfig

from ostinato.engine import CheckpointError
from ostinato.engine.config import ModelConfig, Rope, alternating

RELEASED_20B = {
    "architectures": ["GptOssForCausalLM"],
    "attention_bias": True,
    "eos_token_id": 200002,
    "experts_per_token": 4,
    "head_dim": 64,
    "hidden_act": "silu",
    "hidden_size": 2880,
    "initial_context_length": 4096,
    "intermediate_size": 2880,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "max_position_embeddings": 131072,
    "model_type": "gpt_oss",
    "num_attention_heads": 64,
    "num_experts_per_tok": 4,
    "num_hidden_layers": 24,
    "num_key_value_heads": 8,
    "num_local_experts": 32,
    "quantization_config": {"quant_method": "mxfp4"},
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "factor": 32.0,
        "original_max_position_embeddings": 4096,
        "rope_type": "yarn",
        "truncate": False,
    },
    "rope_theta": 150000,
    "sliding_window": 128,
    "swiglu_limit": 7.0,
    "tie_word_embeddings": False,
    "vocab_size": 201088,
}
ORIGINAL_20B = {
    "num_hidden_layers": 24,
    "num_experts": 32,
    "experts_per_token": 4,
    "vocab_size": 201088,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "swiglu_limit": 7.0,
    "head_dim": 64,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "sliding_window": 128,
    "initial_context_length": 4096,
    "rope_theta": 150000,
    "rope_scaling_factor": 32.0,
    "rope_ntk_alpha": 1,
    "rope_ntk_beta": 32,
}


def test_both_layouts_of_the_released_model_say_the_same() -> None:
    official = ModelConfig.from_fields(RELEASED_20B)

    assert official == ModelConfig.from_fields(ORIGINAL_20B)
    assert official.num_layers == 24
    assert official.context_length == 131_072
    assert official.rope == Rope()
    assert [official.window(layer) for layer in (0, 1, 2)] == [128, None, 128]


def test_the_way_transformers_5_writes_rope_is_read() -> None:
    fields = GptOssConfig(**deepcopy(RELEASED_20B)).to_dict()  # it writes into what it is given

    assert "rope_scaling" not in fields
    assert ModelConfig.from_fields(fields) == ModelConfig.from_fields(RELEASED_20B)


def test_rope_without_scaling_is_read() -> None:
    fields = without("rope_scaling", "rope_theta") | {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}

    assert ModelConfig.from_fields(fields).rope.factor == 1
    assert ModelConfig.from_fields(fields).rope.theta == 10_000


def test_missing_layer_types_alternate() -> None:
    assert ModelConfig.from_fields(without("layer_types")).layer_types == alternating(24)


def test_no_window_means_that_every_layer_sees_everything() -> None:
    config = ModelConfig.from_fields(RELEASED_20B | {"sliding_window": None})

    assert {config.window(layer) for layer in range(24)} == {None}


def test_a_window_as_long_as_the_context_is_no_window() -> None:
    config = ModelConfig.from_fields(RELEASED_20B | {"sliding_window": 10**13})

    assert {config.window(layer) for layer in range(24)} == {None}


def test_what_is_written_is_read_back(variants: Mapping[str, ModelConfig]) -> None:
    for config in variants.values():
        assert ModelConfig.from_fields(config.to_fields()) == config


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'; only 'gpt_oss' can be run"),
        ({"hidden_size": 0}, "hidden_size: Input should be greater than 0, got 0"),
        ({"head_dim": "wide"}, "head_dim: .*got 'wide'"),
        ({"head_dim": 63}, "head_dim 63 is odd"),
        ({"num_attention_heads": 9}, "9 query heads cannot share 8 key-value heads evenly"),
        ({"num_experts_per_tok": 40}, "40 experts per token cannot be chosen from 32"),
        ({"layer_types": ["full_attention"]}, "layer_types names 1 layers, num_hidden_layers 24"),
        ({"layer_types": ["linear_attention"] * 24}, "layer_types.0: .*got 'linear_attention'"),
        ({"rope_scaling": {"rope_type": "llama3"}}, "rope_scaling.rope_type: .*got 'llama3'"),
        ({"rope_scaling": {"rope_type": "yarn", "mscale": 2}}, "rope_scaling.mscale: Extra inputs"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers: Input should be less than or equal to 1000, got"),
        ({"max_position_embeddings": 10**13}, "a context of 10000000000000 tokens cannot be held"),
        ({"rope_theta": 1}, "rope_theta 1.0 turns nothing"),
        ({"rope_theta": float("inf")}, "rope_theta: Input should be a finite number, got inf"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": float("inf")}}, "rope_scaling.factor: .*finite"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings: Input should be False, got True"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(CheckpointError, match=f"^somewhere: {complaint}"):
        ModelConfig.from_fields(RELEASED_20B | change, source="somewhere")


def test_a_missing_field_is_named() -> None:
    with pytest.raises(CheckpointError, match="vocab_size: Field required"):
        ModelConfig.from_fields(without("vocab_size"))


def test_an_impossible_config_cannot_be_built(config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="sliding_window 0 sees nothing"):
        replace(config, sliding_window=0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds list, not an object"),
        (None, "cannot read .*config.json"),
    ],
)
def test_an_unreadable_file_is_named(content: str | None, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(CheckpointError, match=complaint):
        ModelConfig.read(path)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(ORIGINAL_20B))

    assert ModelConfig.read(tmp_path / "config.json").num_experts == 32


def without(*names: str) -> dict[str, object]:
    return {name: value for name, value in RELEASED_20B.items() if name not in names}
