"""The two published layouts of a gpt-oss checkpoint: which tensors there are, and where each is stored.

Hugging Face: `model.layers.N.self_attn.q_proj.weight`, …. Original: `block.N.attn.qkv.weight`, …, with queries, keys
and values in one matrix. Expert weights are MXFP4 (blocks and scales) in both, or plain after fine-tuning; plain ones
are [experts, inputs, outputs] in the Hugging Face layout and [experts, outputs, inputs] in the original.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ostinato.engine.config import ModelConfig
from ostinato.engine.mxfp4 import GROUP

Shape = tuple[int, ...]

_ORIGINAL_ENDS = {
    "model.embed_tokens.weight": "embedding.weight",
    "model.norm.weight": "norm.scale",
    "lm_head.weight": "unembedding.weight",
}
_ORIGINAL_LAYER = {
    "input_layernorm.weight": "attn.norm.scale",
    "self_attn.sinks": "attn.sinks",
    "self_attn.o_proj.weight": "attn.out.weight",
    "self_attn.o_proj.bias": "attn.out.bias",
    "post_attention_layernorm.weight": "mlp.norm.scale",
    "mlp.router.weight": "mlp.gate.weight",
    "mlp.router.bias": "mlp.gate.bias",
    "mlp.experts.gate_up_proj": "mlp.mlp1_weight",
    "mlp.experts.gate_up_proj_blocks": "mlp.mlp1_weight.blocks",
    "mlp.experts.gate_up_proj_scales": "mlp.mlp1_weight.scales",
    "mlp.experts.gate_up_proj_bias": "mlp.mlp1_bias",
    "mlp.experts.down_proj": "mlp.mlp2_weight",
    "mlp.experts.down_proj_blocks": "mlp.mlp2_weight.blocks",
    "mlp.experts.down_proj_scales": "mlp.mlp2_weight.scales",
    "mlp.experts.down_proj_bias": "mlp.mlp2_bias",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a tensor is stored: a name, the shape there, and how to take the tensor from it.

    `rows` None means all of them; `is_transposed` says that the last two dimensions are the other way round.
    """

    name: str
    shape: Shape
    rows: slice | None = None
    is_transposed: bool = False


def tensor_shapes(config: ModelConfig, *, is_packed: bool) -> dict[str, Shape]:
    """Return the name and shape of every tensor, in the Hugging Face layout."""
    shapes: dict[str, Shape] = {"model.embed_tokens.weight": (config.vocab_size, config.hidden_size)}
    layer_shapes = _attention_shapes(config) | _expert_shapes(config, is_packed=is_packed)
    for layer in range(config.num_layers):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in layer_shapes.items()}
    return shapes | {
        "model.norm.weight": (config.hidden_size,),
        "lm_head.weight": (config.vocab_size, config.hidden_size),
    }


def sources(config: ModelConfig, *, is_original: bool, is_packed: bool) -> dict[str, Source]:
    """Return where each tensor of `tensor_shapes` is stored in the given layout."""
    shapes = tensor_shapes(config, is_packed=is_packed)
    if not is_original:
        return {name: Source(name=name, shape=shape) for name, shape in shapes.items()}
    return {name: _original(config, name, shape) for name, shape in shapes.items()}


def _attention_shapes(config: ModelConfig) -> dict[str, Shape]:
    hidden = config.hidden_size
    queries, keys = config.num_query_heads * config.head_dim, config.num_kv_heads * config.head_dim
    return {
        "input_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.q_proj.bias": (queries,),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.k_proj.bias": (keys,),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.v_proj.bias": (keys,),
        "self_attn.sinks": (config.num_query_heads,),
        "self_attn.o_proj.weight": (hidden, queries),
        "self_attn.o_proj.bias": (hidden,),
    }


def _expert_shapes(config: ModelConfig, *, is_packed: bool) -> dict[str, Shape]:
    experts, hidden, intermediate = config.num_experts, config.hidden_size, config.intermediate_size
    shapes: dict[str, Shape] = {
        "post_attention_layernorm.weight": (hidden,),
        "mlp.router.weight": (experts, hidden),
        "mlp.router.bias": (experts,),
    }
    for name, outputs, inputs in (("gate_up_proj", 2 * intermediate, hidden), ("down_proj", hidden, intermediate)):
        if is_packed:
            shapes[f"mlp.experts.{name}_blocks"] = (experts, outputs, inputs // GROUP, GROUP // 2)
            shapes[f"mlp.experts.{name}_scales"] = (experts, outputs, inputs // GROUP)
        else:
            shapes[f"mlp.experts.{name}"] = (experts, inputs, outputs)
        shapes[f"mlp.experts.{name}_bias"] = (experts, outputs)
    return shapes


def _original(config: ModelConfig, name: str, shape: Shape) -> Source:
    if name in _ORIGINAL_ENDS:
        return Source(name=_ORIGINAL_ENDS[name], shape=shape)
    _, _, layer, rest = name.split(".", 3)
    if rest in _ORIGINAL_LAYER:
        is_transposed = rest.endswith("_proj")
        shape = (shape[0], shape[2], shape[1]) if is_transposed else shape
        return Source(name=f"block.{layer}.{_ORIGINAL_LAYER[rest]}", shape=shape, is_transposed=is_transposed)
    _, projection, kind = rest.split(".")
    rows, total = _qkv_rows(config)
    stored = (total, *shape[1:])
    return Source(name=f"block.{layer}.attn.qkv.{kind}", shape=stored, rows=rows[projection])


def _qkv_rows(config: ModelConfig) -> tuple[Mapping[str, slice], int]:
    """Return the rows of queries, keys and values in their joint matrix, and how many it has."""
    queries, keys = config.num_query_heads * config.head_dim, config.num_kv_heads * config.head_dim
    rows = {
        "q_proj": slice(0, queries),
        "k_proj": slice(queries, queries + keys),
        "v_proj": slice(queries + keys, queries + 2 * keys),
    }
    return rows, queries + 2 * keys
