"""OpenAI's own layout of a checkpoint, by the names of gpt_oss/torch/weights.py."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig


def save_original_layout(folder: Path, official: Checkpoint) -> None:
    """Write a checkpoint in that layout."""
    config = official.config
    stored = {
        "embedding.weight": official["model.embed_tokens.weight"],
        "norm.scale": official["model.norm.weight"],
        "unembedding.weight": official["lm_head.weight"],
    }
    for layer in range(config.num_layers):
        stored |= original_block(official, f"model.layers.{layer}", f"block.{layer}")
    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in stored.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(original_fields(config)))


def original_block(official: Checkpoint, block: str, name: str) -> dict[str, Tensor]:
    attention, mlp = f"{block}.self_attn", f"{block}.mlp"
    stored = {
        f"{name}.attn.norm.scale": official[f"{block}.input_layernorm.weight"],
        f"{name}.attn.sinks": official[f"{attention}.sinks"],
        f"{name}.mlp.norm.scale": official[f"{block}.post_attention_layernorm.weight"],
        f"{name}.mlp.mlp1_bias": official[f"{mlp}.experts.gate_up_proj_bias"],
        f"{name}.mlp.mlp2_bias": official[f"{mlp}.experts.down_proj_bias"],
    }
    for kind in ("weight", "bias"):
        joint = torch.cat([official[f"{attention}.{part}_proj.{kind}"] for part in "qkv"])
        stored[f"{name}.attn.qkv.{kind}"] = joint
        stored[f"{name}.attn.out.{kind}"] = official[f"{attention}.o_proj.{kind}"]
        stored[f"{name}.mlp.gate.{kind}"] = official[f"{mlp}.router.{kind}"]
    for ours, theirs in (("gate_up_proj", "mlp1_weight"), ("down_proj", "mlp2_weight")):
        if f"{mlp}.experts.{ours}" in official:
            stored[f"{name}.mlp.{theirs}"] = official[f"{mlp}.experts.{ours}"].transpose(1, 2)
        else:
            stored[f"{name}.mlp.{theirs}.blocks"] = official[f"{mlp}.experts.{ours}_blocks"]
            stored[f"{name}.mlp.{theirs}.scales"] = official[f"{mlp}.experts.{ours}_scales"]
    return stored


def original_fields(config: ModelConfig) -> dict[str, object]:
    return {
        "num_hidden_layers": config.num_layers,
        "num_experts": config.num_experts,
        "experts_per_token": config.experts_per_token,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "swiglu_limit": config.swiglu_limit,
        "head_dim": config.head_dim,
        "num_attention_heads": config.num_query_heads,
        "num_key_value_heads": config.num_kv_heads,
        "sliding_window": config.sliding_window,
        "initial_context_length": config.rope.initial_context_length,
        "rope_theta": config.rope.theta,
        "rope_scaling_factor": config.rope.factor,
        "rope_ntk_alpha": config.rope.beta_slow,
        "rope_ntk_beta": config.rope.beta_fast,
    }
