"""The model as it is trained: gpt-oss exactly, on packed rows, shaped for speed in torch.compile.

It equals `engine.reference`, which a test checks. Every token goes through every expert and the router's weights mask
those not chosen: with four experts that is faster than sorting tokens.
"""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# B rows, T tokens, V vocabulary, D model, Q query heads, H key-value heads, K head dimension,
# E experts, I intermediate, N = B * T

import math

import torch
from torch import Tensor
from torch.nn import functional

from ostinato.engine.config import LayerType, ModelConfig, Rope
from ostinato.engine.rope import rotation
from ostinato.training.batches import Batch

Weights = dict[str, Tensor]


def nano_config(vocab_size: int, *, hidden_size: int = 128, layers: int = 4, experts: int = 4) -> ModelConfig:
    """Return the shape of the embedded model."""
    kinds: tuple[LayerType, ...] = ("sliding_attention", "full_attention")
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=128,
        num_query_heads=4,
        num_kv_heads=2,
        head_dim=32,
        num_experts=experts,
        experts_per_token=2,
        layer_types=tuple(kinds[layer % 2] for layer in range(layers)),
        context_length=4096,
        rope=Rope(factor=32.0, initial_context_length=128),
    )


def initial_weights(config: ModelConfig, generator: torch.Generator) -> Weights:
    """Draw the weights, by their Hugging Face names."""
    D, K, I, E = config.hidden_size, config.head_dim, config.intermediate_size, config.num_experts  # noqa: E741

    def normal(*shape: int, fan_in: int, gain: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * gain / math.sqrt(fan_in)

    weights: Weights = {
        "model.embed_tokens.weight": torch.randn(config.vocab_size, D, generator=generator) * 0.5,
        "model.norm.weight": torch.ones(D),
        "lm_head.weight": normal(config.vocab_size, D, fan_in=D, gain=0.5),
    }
    out_gain = 1 / math.sqrt(2 * config.num_layers)
    for layer in range(config.num_layers):
        prefix = f"model.layers.{layer}"
        attention, mlp = f"{prefix}.self_attn", f"{prefix}.mlp"
        weights[f"{prefix}.input_layernorm.weight"] = torch.ones(D)
        weights[f"{prefix}.post_attention_layernorm.weight"] = torch.ones(D)
        for name, heads in (("q", config.num_query_heads), ("k", config.num_kv_heads), ("v", config.num_kv_heads)):
            weights[f"{attention}.{name}_proj.weight"] = normal(heads * K, D, fan_in=D)
            weights[f"{attention}.{name}_proj.bias"] = torch.zeros(heads * K)
        weights[f"{attention}.o_proj.weight"] = normal(D, config.num_query_heads * K, fan_in=D, gain=out_gain)
        weights[f"{attention}.o_proj.bias"] = torch.zeros(D)
        weights[f"{attention}.sinks"] = torch.zeros(config.num_query_heads)
        weights[f"{mlp}.router.weight"] = normal(E, D, fan_in=D)
        weights[f"{mlp}.router.bias"] = torch.zeros(E)
        weights[f"{mlp}.experts.gate_up_proj"] = normal(E, D, 2 * I, fan_in=D)
        weights[f"{mlp}.experts.gate_up_proj_bias"] = torch.zeros(E, 2 * I)
        weights[f"{mlp}.experts.down_proj"] = normal(E, I, D, fan_in=I, gain=out_gain)
        weights[f"{mlp}.experts.down_proj_bias"] = torch.zeros(E, D)
    return weights


def logits(config: ModelConfig, weights: Weights, batch: Batch) -> Tensor:
    """Return what follows each token, [B, T, V]."""
    x_BTD = functional.embedding(batch.ids, weights["model.embed_tokens.weight"])
    cos_TK, sin_TK = _rotation(config, batch.ids.shape[1], batch.ids.device)
    for layer, kind in enumerate(config.layer_types):
        prefix = f"model.layers.{layer}"
        normed = _norm(config, x_BTD, weights[f"{prefix}.input_layernorm.weight"])
        bias = batch.near if kind == "sliding_attention" else batch.far
        x_BTD = x_BTD + _attention(config, weights, f"{prefix}.self_attn", normed, bias, cos_TK, sin_TK)
        normed = _norm(config, x_BTD, weights[f"{prefix}.post_attention_layernorm.weight"])
        x_BTD = x_BTD + _experts(config, weights, f"{prefix}.mlp", normed)
    return functional.linear(_norm(config, x_BTD, weights["model.norm.weight"]), weights["lm_head.weight"])


def loss(config: ModelConfig, weights: Weights, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum of the losses of the tokens to predict, how many of them are right, and how many there are."""
    predicted = logits(config, weights, batch)[:, :-1].flatten(0, 1).float()
    target = batch.ids[:, 1:].flatten()
    mask = batch.mask[:, 1:].flatten().float()
    each = functional.cross_entropy(predicted, target, reduction="none")
    right = (predicted.argmax(dim=-1) == target).float() * mask
    return (each * mask).sum(), right.sum(), mask.sum()


def _rotation(config: ModelConfig, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    # Attention depends on distances only, so positions need not start anew with each document of a row.
    cos, sin = rotation(config.rope, config.head_dim, torch.arange(length, device=device))
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def _norm(config: ModelConfig, x: Tensor, weight: Tensor) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + config.norm_eps) * weight


def _attention(
    config: ModelConfig, weights: Weights, prefix: str, x_BTD: Tensor, hidden: Tensor, cos: Tensor, sin: Tensor
) -> Tensor:
    B, T, _ = x_BTD.shape
    K, Q, H = config.head_dim, config.num_query_heads, config.num_kv_heads
    joined = torch.cat([weights[f"{prefix}.{name}_proj.weight"] for name in "qkv"])
    bias = torch.cat([weights[f"{prefix}.{name}_proj.bias"] for name in "qkv"])
    qkv = functional.linear(x_BTD, joined, bias).view(B, T, Q + 2 * H, K).transpose(1, 2)
    qk, v = qkv[:, : Q + H], qkv[:, Q + H :]
    turned = torch.cat((qk[..., K // 2 :], qk[..., : K // 2]), dim=-1)
    qk = qk * cos + turned * sin
    q = qk[:, :Q].reshape(B, H, Q // H, T, K)
    k = qk[:, Q:, None]
    scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(K) + hidden[:, None, None]
    sinks = weights[f"{prefix}.sinks"].view(1, H, Q // H, 1, 1)
    top = torch.maximum(scores.amax(dim=-1, keepdim=True), sinks).detach()
    powers = torch.exp(scores - top)
    attention = powers / (powers.sum(dim=-1, keepdim=True) + torch.exp(sinks - top))
    mixed = (attention.to(v.dtype) @ v[:, :, None]).view(B, Q, T, K).transpose(1, 2).reshape(B, T, Q * K)
    return functional.linear(mixed, weights[f"{prefix}.o_proj.weight"], weights[f"{prefix}.o_proj.bias"])


def _experts(config: ModelConfig, weights: Weights, prefix: str, x_BTD: Tensor) -> Tensor:
    router = functional.linear(x_BTD, weights[f"{prefix}.router.weight"], weights[f"{prefix}.router.bias"]).float()
    least = router.topk(config.experts_per_token, dim=-1).values[..., -1:]
    share_BTE = router.masked_fill(router < least, -1e9).softmax(dim=-1)

    # Gate and up rows are interleaved in the checkpoint; as two products they run at vector speed.
    E, D = config.num_experts, config.hidden_size
    gate_up = weights[f"{prefix}.experts.gate_up_proj"].view(E, D, -1, 2)
    biases = weights[f"{prefix}.experts.gate_up_proj_bias"].view(E, -1, 2)
    x_END = x_BTD.flatten(0, 1).expand(E, -1, -1)
    gate, up = ((x_END @ gate_up[..., half]).float() + biases[:, None, :, half] for half in (0, 1))
    gate = gate.clamp(max=config.swiglu_limit)
    up = up.clamp(-config.swiglu_limit, config.swiglu_limit)
    active = gate * torch.sigmoid(config.swiglu_alpha * gate) * (up + 1)
    answers = (active @ weights[f"{prefix}.experts.down_proj"]).float()
    answers = answers + weights[f"{prefix}.experts.down_proj_bias"][:, None]
    share_EN1 = share_BTE.flatten(0, 1).T[..., None]
    mixed: Tensor = (answers * share_EN1).sum(dim=0)
    return mixed.view_as(x_BTD)
