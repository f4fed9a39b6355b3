"""ModelConfig: the shape of a gpt-oss model, read from either layout's `config.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from ostinato.engine.interface import CheckpointError

LayerType = Literal["sliding_attention", "full_attention"]

_MOST_LAYERS = 1_000  # far above any model, and far below what would fill the memory before a tensor is read
_LONGEST_CONTEXT = 2**21


@dataclass(frozen=True, slots=True, kw_only=True)
class Rope:
    """Rotary position embedding with YaRN scaling (arXiv 2309.00071); `factor` 1 means no scaling.

    `attention_factor` None means the paper's 0.1·ln(factor) + 1. `truncate` rounds the bounds of the ramp to whole
    dimensions, which gpt-oss does not do.
    """

    theta: float = 150_000.0
    factor: float = 32.0
    initial_context_length: int = 4096
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    truncate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The shape of a gpt-oss model; the defaults are what every released one shares.

    Raises:
        ValueError: if the numbers contradict each other.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_query_heads: int
    num_kv_heads: int
    head_dim: int
    num_experts: int
    experts_per_token: int
    layer_types: tuple[LayerType, ...]
    context_length: int = 131_072
    sliding_window: int = 128
    rope: Rope = Rope()
    norm_eps: float = 1e-5
    swiglu_alpha: float = 1.702
    swiglu_limit: float = 7.0

    def __post_init__(self) -> None:
        for is_wrong, complaint in self._complaints():
            if is_wrong:
                raise ValueError(complaint)

    def _complaints(self) -> list[tuple[bool, str]]:
        heads, kv_heads = self.num_query_heads, self.num_kv_heads
        chosen, experts = self.experts_per_token, self.num_experts
        return [
            (not self.layer_types, "there must be at least one layer"),
            (
                kv_heads < 1 or heads % kv_heads != 0,
                f"{heads} query heads cannot share {kv_heads} key-value heads evenly",
            ),
            (self.head_dim % 2 != 0, f"head_dim {self.head_dim} is odd; rotary embedding needs an even one"),
            (not 1 <= chosen <= experts, f"{chosen} experts per token cannot be chosen from {experts}"),
            (
                not 1 <= self.context_length <= _LONGEST_CONTEXT,
                f"a context of {self.context_length} tokens cannot be held; it must be from 1 to {_LONGEST_CONTEXT}",
            ),
            (self.rope.theta <= 1, f"rope_theta {self.rope.theta} turns nothing; it must be above 1"),
            (self.sliding_window < 1, f"sliding_window {self.sliding_window} sees nothing; it must be at least 1"),
        ]

    @property
    def num_layers(self) -> int:
        """Count the transformer blocks."""
        return len(self.layer_types)

    def window(self, layer: int) -> int | None:
        """Return how many positions the layer sees, itself included; None is all of them."""
        is_sliding = self.layer_types[layer] == "sliding_attention" and self.sliding_window < self.context_length
        return self.sliding_window if is_sliding else None

    @classmethod
    def read(cls, path: Path) -> "ModelConfig":
        """Read a `config.json` of either layout.

        Raises:
            CheckpointError: if it is missing, not JSON, or describes no gpt-oss model.
        """
        try:
            fields = json.loads(path.read_bytes())
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}; a checkpoint folder holds one") from error
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} is not JSON: {error}; copy the checkpoint again") from error
        if not isinstance(fields, dict):
            raise CheckpointError(f"{path} holds {type(fields).__name__}, not an object; copy the checkpoint again")
        return cls.from_fields(fields, source=str(path))

    @classmethod
    def from_fields(cls, fields: Mapping[str, object], *, source: str = "config.json") -> "ModelConfig":
        """Build the config from parsed JSON of either layout; `source` names it in errors.

        Raises:
            CheckpointError: if the fields describe no gpt-oss model, naming the first wrong one.
        """
        is_original = "model_type" not in fields and "rope_ntk_alpha" in fields
        if not is_original and fields.get("model_type") != "gpt_oss":
            raise CheckpointError(f"{source}: model_type is {fields.get('model_type')!r}; only 'gpt_oss' can be run")
        edge = _OriginalFields if is_original else _OfficialFields
        try:
            return edge.model_validate(fields).config()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise CheckpointError(f"{source}: {where}: {first['msg']}, got {first['input']!r:.80}") from error
        except ValueError as error:
            raise CheckpointError(f"{source}: {error}") from error

    def to_fields(self) -> dict[str, object]:
        """Return the JSON fields of the Hugging Face layout."""
        rope = self.rope
        return {
            "architectures": ["GptOssForCausalLM"],
            "model_type": "gpt_oss",
            "attention_bias": True,
            "experts_per_token": self.experts_per_token,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "initial_context_length": rope.initial_context_length,
            "intermediate_size": self.intermediate_size,
            "layer_types": list(self.layer_types),
            "max_position_embeddings": self.context_length,
            "num_attention_heads": self.num_query_heads,
            "num_experts_per_tok": self.experts_per_token,
            "num_hidden_layers": self.num_layers,
            "num_key_value_heads": self.num_kv_heads,
            "num_local_experts": self.num_experts,
            "rms_norm_eps": self.norm_eps,
            "rope_scaling": {
                "attention_factor": rope.attention_factor,
                "beta_fast": rope.beta_fast,
                "beta_slow": rope.beta_slow,
                "factor": rope.factor,
                "original_max_position_embeddings": rope.initial_context_length,
                "rope_type": "yarn",
                "truncate": rope.truncate,
            },
            "rope_theta": rope.theta,
            "sliding_window": self.sliding_window,
            "swiglu_alpha": self.swiglu_alpha,
            "swiglu_limit": self.swiglu_limit,
            "tie_word_embeddings": False,
            "vocab_size": self.vocab_size,
        }


def alternating(num_layers: int) -> tuple[LayerType, ...]:
    """Return gpt-oss's layer types: even layers slide, odd layers see everything."""
    return tuple("full_attention" if layer % 2 else "sliding_attention" for layer in range(num_layers))


class _SharedFields(BaseModel):
    """What both layouts call by the same name. Other fields change no logit and are ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt
    head_dim: PositiveInt
    num_hidden_layers: PositiveInt = Field(le=_MOST_LAYERS)
    swiglu_limit: PositiveFloat = 7.0


class _OriginalFields(_SharedFields):
    """`config.json` of OpenAI's own layout."""

    num_experts: PositiveInt
    experts_per_token: PositiveInt
    sliding_window: PositiveInt
    initial_context_length: PositiveInt
    rope_theta: PositiveFloat
    rope_scaling_factor: PositiveFloat
    rope_ntk_alpha: PositiveFloat
    rope_ntk_beta: PositiveFloat

    def config(self) -> ModelConfig:
        return ModelConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size,
            num_query_heads=self.num_attention_heads,
            num_kv_heads=self.num_key_value_heads,
            head_dim=self.head_dim,
            num_experts=self.num_experts,
            experts_per_token=self.experts_per_token,
            layer_types=alternating(self.num_hidden_layers),
            context_length=int(self.initial_context_length * max(self.rope_scaling_factor, 1)),
            sliding_window=self.sliding_window,
            rope=Rope(
                theta=self.rope_theta,
                factor=self.rope_scaling_factor,
                initial_context_length=self.initial_context_length,
                beta_fast=self.rope_ntk_beta,
                beta_slow=self.rope_ntk_alpha,
            ),
            swiglu_limit=self.swiglu_limit,
        )


class _RopeFields(BaseModel):
    """`rope_parameters` (transformers 5) or `rope_scaling` (before); an unknown key would change logits."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rope_type: Literal["yarn", "default"] = Field("default", validation_alias=AliasChoices("rope_type", "type"))
    rope_theta: PositiveFloat | None = None
    factor: PositiveFloat = 1.0
    original_max_position_embeddings: PositiveInt = 4096
    beta_fast: PositiveFloat = 32.0
    beta_slow: PositiveFloat = 1.0
    attention_factor: PositiveFloat | None = None
    truncate: bool = True  # the default of transformers; gpt-oss's own files say false

    def rope(self, theta: float) -> Rope:
        return Rope(
            theta=self.rope_theta or theta,
            factor=self.factor if self.rope_type == "yarn" else 1.0,
            initial_context_length=self.original_max_position_embeddings,
            beta_fast=self.beta_fast,
            beta_slow=self.beta_slow,
            attention_factor=self.attention_factor if self.rope_type == "yarn" else None,
            truncate=self.truncate,
        )


class _OfficialFields(_SharedFields):
    """`config.json` of the Hugging Face layout."""

    num_local_experts: PositiveInt = Field(validation_alias=AliasChoices("num_local_experts", "num_experts"))
    num_experts_per_tok: PositiveInt = Field(validation_alias=AliasChoices("num_experts_per_tok", "experts_per_token"))
    sliding_window: PositiveInt | None = 128
    max_position_embeddings: PositiveInt = 131_072
    rms_norm_eps: PositiveFloat = 1e-5
    swiglu_alpha: PositiveFloat = 1.702
    layer_types: tuple[LayerType, ...] | None = None
    rope_parameters: _RopeFields | None = None
    rope_scaling: _RopeFields | None = None
    rope_theta: PositiveFloat = 150_000.0
    attention_bias: Literal[True] = True
    tie_word_embeddings: Literal[False] = False

    def config(self) -> ModelConfig:
        return ModelConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size,
            num_query_heads=self.num_attention_heads,
            num_kv_heads=self.num_key_value_heads,
            head_dim=self.head_dim,
            num_experts=self.num_local_experts,
            experts_per_token=self.num_experts_per_tok,
            layer_types=self._checked_layer_types(),
            context_length=self.max_position_embeddings,
            sliding_window=self.sliding_window or 128,
            rope=(self.rope_parameters or self.rope_scaling or _RopeFields.model_validate({})).rope(self.rope_theta),
            norm_eps=self.rms_norm_eps,
            swiglu_alpha=self.swiglu_alpha,
            swiglu_limit=self.swiglu_limit,
        )

    def _checked_layer_types(self) -> tuple[LayerType, ...]:
        layer_types = self.layer_types or alternating(self.num_hidden_layers)
        if len(layer_types) != self.num_hidden_layers:
            raise ValueError(f"layer_types names {len(layer_types)} layers, num_hidden_layers {self.num_hidden_layers}")
        if self.sliding_window is None:  # transformers then lets every layer see everything
            return tuple("full_attention" for _ in layer_types)
        return layer_types
