"""Transformer: the whole model on one device, ids and a cache in, logits out."""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# T new tokens, D model, V vocabulary

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from ostinato.engine import experts
from ostinato.engine.attention import Attention, Rotation, hidden
from ostinato.engine.batch import Work
from ostinato.engine.config import ModelConfig
from ostinato.engine.experts import ExpertForm
from ostinato.engine.kv_cache import KVCache, LayerCache, Room

Tensors = Mapping[str, Tensor]

_SCORES = 2**26  # attention scores of a piece, which bounds its memory: 256 MiB in float32


class Transformer:
    """A gpt-oss model. It holds weights only; what a sequence has seen is in its KVCache.

    All caches together have room for `cache_tokens` tokens; None is what half of the memory holds that is left.
    """

    most_ids = 256  # in a step, so that a long prompt can be given up quickly
    most_guesses = 0
    backend = "torch"

    def __init__(
        self,
        config: ModelConfig,
        tensors: Tensors,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        form: ExpertForm | None = None,
        cache_tokens: int | None = None,
    ) -> None:
        self.config, self.device, self.dtype = config, torch.device(device), dtype
        self.cache_layout = f"tensors of {dtype} on {self.device.type}"
        is_packed = "model.layers.0.mlp.experts.gate_up_proj_blocks" in tensors
        form = form or experts.fitting_form(config, is_packed=is_packed)
        placed = _Placed(tensors, self.device, dtype)
        self._embedding_VD = placed["model.embed_tokens.weight"]
        self._blocks = [
            _Block(config, placed.under(f"model.layers.{layer}."), form=form) for layer in range(config.num_layers)
        ]
        self._norm = _Norm(placed["model.norm.weight"], config.norm_eps)
        self._unembedding_VD = placed["lm_head.weight"]
        self._rotation = Rotation.table(config, device=self.device, dtype=dtype)
        self._room, self.cache_tokens = Room.fitting(config, self.device, dtype, cache_tokens=cache_tokens)

    def new_cache(self) -> KVCache:
        """Return the cache of a sequence that has seen nothing."""
        return KVCache(self.config, device=self.device, dtype=self.dtype, room=self._room)

    def step(self, works: Sequence[Work[KVCache]]) -> list[Tensor | None]:
        """Let each sequence see its ids; return the logits after the last id of those that want them, [V] float32.

        Raises:
            OutOfMemory: if the memory for keys and values is used up; no sequence has then moved.
        """
        for work in works:
            work.cache.reserve(work.cache.length + len(work.ids))
        return [self._stepped(work) for work in works]

    def close(self) -> None:
        """Do nothing: torch frees the weights with the object."""

    @torch.inference_mode()
    def advance(self, ids: list[int], cache: KVCache) -> Tensor:
        """Let the sequence see `ids`; return what the model makes of each, [T, D], for `logits`."""
        begin, end = cache.length, cache.length + len(ids)
        x_TD = self._embedding_VD[torch.tensor(ids, device=self.device)]
        rotation = self._rotation.at(begin, end)
        masks = {
            window: hidden(begin, end, window=window, device=self.device)
            for window in {layer.window for layer in cache.layers}
        }
        for block, layer in zip(self._blocks, cache.layers, strict=True):
            x_TD = block(x_TD, rotation, layer, masks[layer.window])
        return x_TD

    @torch.inference_mode()
    def logits(self, x_TD: Tensor, *, rows: Sequence[int] | None = None) -> Tensor:
        """Return the logits that follow each token, [T, V] float32; of these `rows` only, if they are given."""
        weight_VD = self._unembedding_VD
        if rows is not None:
            weight_VD = weight_VD[torch.tensor(rows, device=self.device)]
        return functional.linear(self._norm(x_TD), weight_VD).float()

    def _stepped(self, work: Work[KVCache]) -> Tensor | None:
        """Step one sequence, in pieces whose attention scores fit the memory."""
        ids = list(work.ids)
        piece = max(1, _SCORES // (self.config.num_query_heads * (work.cache.length + len(ids))))
        for begin in range(0, len(ids), piece):
            x_TD = self.advance(ids[begin : begin + piece], work.cache)
        return self.logits(x_TD[-1:], rows=work.rows)[0] if work.wants_logits else None


class _Block:
    """Attention and experts, each added to what comes in."""

    def __init__(self, config: ModelConfig, tensors: "_Placed", *, form: ExpertForm) -> None:
        self._attention_norm = _Norm(tensors["input_layernorm.weight"], config.norm_eps)
        self._attention = Attention(config, tensors.under("self_attn."))
        self._experts_norm = _Norm(tensors["post_attention_layernorm.weight"], config.norm_eps)
        self._experts = experts.build(config, tensors.under("mlp."), form=form, dtype=tensors.dtype)

    def __call__(self, x_TD: Tensor, rotation: Rotation, cache: LayerCache, is_hidden_TS: Tensor | None) -> Tensor:
        x_TD = x_TD + self._attention(self._attention_norm(x_TD), rotation, cache, is_hidden_TS)
        return x_TD + self._experts(self._experts_norm(x_TD))


class _Norm:
    """RMSNorm (arXiv 1910.07467) in float32, as x·w·√D / √(|x|² + D·eps): half the operations of torch's own."""

    def __init__(self, weight_D: Tensor, eps: float) -> None:
        dim = weight_D.shape[0]
        self._weight_D = weight_D.float() * math.sqrt(dim)
        self._floor = torch.tensor(math.sqrt(dim * eps), device=weight_D.device)

    def __call__(self, x_TD: Tensor) -> Tensor:
        wide_TD = x_TD.float()
        length_T1 = torch.linalg.vector_norm(wide_TD, dim=-1, keepdim=True).hypot(self._floor)
        normed_TD: Tensor = wide_TD * self._weight_D / length_T1
        return normed_TD.to(x_TD.dtype)


class _Placed(Mapping[str, Tensor]):
    """Tensors on a device as they are asked for: floats in one dtype, packed bytes as they are."""

    def __init__(self, tensors: Tensors, device: torch.device, dtype: torch.dtype, prefix: str = "") -> None:
        self._tensors, self._device, self.dtype, self._prefix = tensors, device, dtype, prefix

    def under(self, prefix: str) -> Self:
        """Return the tensors whose names begin with `prefix`, without it."""
        return type(self)(self._tensors, self._device, self.dtype, self._prefix + prefix)

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._tensors[self._prefix + name].detach()
        return tensor.to(self._device, self.dtype if tensor.is_floating_point() else None)

    def __contains__(self, name: object) -> bool:
        return f"{self._prefix}{name}" in self._tensors

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._tensors if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)
