"""The model, slow and obvious: the whole sequence, no cache, float32. Every fast path must equal it.

Written from the model card (arXiv 2508.10925). Tensors go by their Hugging Face names; expert weights may be MXFP4
(`…_proj_blocks`, `…_proj_scales`) or plain (`…_proj`, stored input-major as transformers does).
"""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# T tokens, V vocabulary, D model, Q query heads, H key-value heads, K head dimension, E experts, I intermediate

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ostinato.engine import mxfp4
from ostinato.engine.config import ModelConfig
from ostinato.engine.rope import rotate, rotation

Tensors = Mapping[str, Tensor]


def forward(config: ModelConfig, tensors: Tensors, ids: Sequence[int]) -> Tensor:
    """Return the logits that follow each id, [T, V] float32. Gradients flow to plain float tensors."""
    x_TD = tensors["model.embed_tokens.weight"].float()[torch.tensor(ids)]
    for layer in range(config.num_layers):
        prefix = f"model.layers.{layer}"
        normed_TD = norm(x_TD, tensors[f"{prefix}.input_layernorm.weight"], config.norm_eps)
        x_TD = x_TD + attention(config, tensors, layer, normed_TD)
        normed_TD = norm(x_TD, tensors[f"{prefix}.post_attention_layernorm.weight"], config.norm_eps)
        x_TD = x_TD + experts(config, tensors, layer, normed_TD)
    x_TD = norm(x_TD, tensors["model.norm.weight"], config.norm_eps)
    return x_TD @ tensors["lm_head.weight"].float().T


def norm(x_TD: Tensor, weight_D: Tensor, eps: float) -> Tensor:
    """Divide each token by its root mean square (RMSNorm, arXiv 1910.07467)."""
    return x_TD * torch.rsqrt(x_TD.square().mean(dim=-1, keepdim=True) + eps) * weight_D.float()


def attention(config: ModelConfig, tensors: Tensors, layer: int, x_TD: Tensor) -> Tensor:
    """Let each token gather from those it sees; what the sink takes is lost."""
    prefix = f"model.layers.{layer}.self_attn"
    cos_TR, sin_TR = rotation(config.rope, config.head_dim, torch.arange(len(x_TD)))
    q_TQK = rotate(_project(tensors, f"{prefix}.q_proj", x_TD).view(len(x_TD), -1, config.head_dim), cos_TR, sin_TR)
    k_THK = rotate(_project(tensors, f"{prefix}.k_proj", x_TD).view(len(x_TD), -1, config.head_dim), cos_TR, sin_TR)
    v_THK = _project(tensors, f"{prefix}.v_proj", x_TD).view(len(x_TD), -1, config.head_dim)
    is_visible_TT = visible(len(x_TD), config.window(layer))
    sinks_Q = tensors[f"{prefix}.sinks"].float()
    queries_per_kv = config.num_query_heads // config.num_kv_heads

    heads = []
    for head in range(config.num_query_heads):
        q_TK, k_TK, v_TK = q_TQK[:, head], k_THK[:, head // queries_per_kv], v_THK[:, head // queries_per_kv]
        scores_TT = (q_TK @ k_TK.T / config.head_dim**0.5).masked_fill(~is_visible_TT, -torch.inf)
        sink_T1 = sinks_Q[head].expand(len(x_TD), 1)
        weights_TT = torch.cat((scores_TT, sink_T1), dim=-1).softmax(dim=-1)[:, :-1]
        heads.append(weights_TT @ v_TK)
    return _project(tensors, f"{prefix}.o_proj", torch.cat(heads, dim=-1))


def visible(num_tokens: int, window: int | None) -> Tensor:
    """Return which column's token each row's token sees: itself and earlier ones, at most `window` in all."""
    distance_TT = torch.arange(num_tokens)[:, None] - torch.arange(num_tokens)
    return (distance_TT >= 0) & (distance_TT < (window or num_tokens))


def experts(config: ModelConfig, tensors: Tensors, layer: int, x_TD: Tensor) -> Tensor:
    """Add up the chosen experts' answers, weighted by the router."""
    prefix = f"model.layers.{layer}.mlp"
    router_logits_TE = _project(tensors, f"{prefix}.router", x_TD)
    gate_up_EID = _expert_weights(tensors, f"{prefix}.experts.gate_up_proj")
    down_EDI = _expert_weights(tensors, f"{prefix}.experts.down_proj")
    gate_up_bias_EI = tensors[f"{prefix}.experts.gate_up_proj_bias"].float()
    down_bias_ED = tensors[f"{prefix}.experts.down_proj_bias"].float()

    rows = []
    for x_D, logits_E in zip(x_TD, router_logits_TE, strict=True):
        chosen = logits_E.topk(config.experts_per_token)
        row_D = torch.zeros_like(x_D)
        for weight, expert in zip(chosen.values.softmax(dim=-1), chosen.indices.tolist(), strict=True):
            activated_I = swiglu(config, gate_up_EID[expert] @ x_D + gate_up_bias_EI[expert])
            row_D = row_D + weight * (down_EDI[expert] @ activated_I + down_bias_ED[expert])
        rows.append(row_D)
    return torch.stack(rows)


def swiglu(config: ModelConfig, gate_up: Tensor) -> Tensor:
    """Apply the clamped gate to interleaved rows: even ones are the gate, odd ones what it lets through."""
    gate, up = gate_up[..., 0::2], gate_up[..., 1::2]
    gate = gate.clamp(max=config.swiglu_limit)
    up = up.clamp(-config.swiglu_limit, config.swiglu_limit)
    return gate * torch.sigmoid(config.swiglu_alpha * gate) * (up + 1)


def _project(tensors: Tensors, name: str, x: Tensor) -> Tensor:
    return x @ tensors[f"{name}.weight"].float().T + tensors[f"{name}.bias"].float()


def _expert_weights(tensors: Tensors, name: str) -> Tensor:
    """Return [experts, outputs, inputs] from either form."""
    if f"{name}_blocks" in tensors:
        return mxfp4.dequantize(tensors[f"{name}_blocks"], tensors[f"{name}_scales"])
    return tensors[name].float().transpose(1, 2)
