"""Attention with grouped queries, a sliding window on some layers, and a learned sink per query head."""

# ruff: noqa: N803, N806, N815  (tensor names carry their shape)
# T new tokens, S tokens they see, D model, Q query heads, H key-value heads, G = Q / H, M = G * T, K head dimension

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ostinato.engine.config import ModelConfig
from ostinato.engine.kv_cache import LayerCache
from ostinato.engine.rope import rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Cosine and signed sine, [T, 1, K] each, that turn a head in one multiply-add (rope.rotate is the plain form)."""

    cos_T1K: Tensor
    sin_T1K: Tensor

    @classmethod
    def table(cls, config: ModelConfig, *, device: torch.device, dtype: torch.dtype) -> "Rotation":
        """Build the rotation of every position in the context."""
        cos_TR, sin_TR = rotation(config.rope, config.head_dim, torch.arange(config.context_length))
        return cls(
            cos_T1K=torch.cat((cos_TR, cos_TR), dim=-1)[:, None].to(device, dtype),
            sin_T1K=torch.cat((-sin_TR, sin_TR), dim=-1)[:, None].to(device, dtype),
        )

    def at(self, begin: int, end: int) -> "Rotation":
        """Return the rotation of positions `begin` to `end`."""
        return Rotation(cos_T1K=self.cos_T1K[begin:end], sin_T1K=self.sin_T1K[begin:end])

    def turn(self, heads_TQK: Tensor) -> Tensor:
        """Turn every head by its position's angle."""
        swapped_TQK = heads_TQK.roll(heads_TQK.shape[-1] // 2, dims=-1)
        return torch.addcmul(heads_TQK * self.cos_T1K, swapped_TQK, self.sin_T1K)


class Attention:
    """One layer's attention."""

    def __init__(self, config: ModelConfig, tensors: Mapping[str, Tensor]) -> None:
        self._num_queries, self._num_kv, self._head_dim = config.num_query_heads, config.num_kv_heads, config.head_dim
        self._scale = config.head_dim**-0.5
        self._qkv_weight = torch.cat([tensors[f"{name}_proj.weight"] for name in "qkv"])
        self._qkv_bias = torch.cat([tensors[f"{name}_proj.bias"] for name in "qkv"])
        self._out_weight, self._out_bias = tensors["o_proj.weight"], tensors["o_proj.bias"]
        self._sinks_HG1 = tensors["sinks"].view(self._num_kv, -1, 1)

    def __call__(self, x_TD: Tensor, rotation: Rotation, cache: LayerCache, is_hidden_TS: Tensor | None) -> Tensor:
        """Let each new token gather from those it sees, [T, D]; `is_hidden_TS` None means all in the cache."""
        num_new = x_TD.shape[0]
        heads_TQK = functional.linear(x_TD, self._qkv_weight, self._qkv_bias).view(num_new, -1, self._head_dim)
        turned_TQK = rotation.turn(heads_TQK[:, : -self._num_kv])
        keys_HKS, values_HSK = cache.append(
            turned_TQK[:, self._num_queries :].permute(1, 2, 0),
            heads_TQK[:, -self._num_kv :].transpose(0, 1),
        )
        queries_HMK = self._grouped(turned_TQK[:, : self._num_queries])
        gathered_HMK = self._gather(queries_HMK, keys_HKS, values_HSK, is_hidden_TS)
        gathered_TQK = gathered_HMK.view(self._num_queries, num_new, self._head_dim).transpose(0, 1)
        return functional.linear(gathered_TQK.reshape(num_new, -1), self._out_weight, self._out_bias)

    def _grouped(self, queries_TQK: Tensor) -> Tensor:
        """Put the queries that share a key-value head side by side, [H, M, K]."""
        return queries_TQK.transpose(0, 1).reshape(self._num_kv, -1, self._head_dim)

    def _gather(self, queries_HMK: Tensor, keys_HKS: Tensor, values_HSK: Tensor, is_hidden_TS: Tensor | None) -> Tensor:
        """Weigh the values; the sink joins the softmax, and what it takes is lost."""
        scores_HMS = torch.bmm(queries_HMK * self._scale, keys_HKS)
        if is_hidden_TS is None:
            sinks_HM1 = self._sinks_HG1
        else:
            num_new, num_seen = is_hidden_TS.shape
            scores_HMS.view(-1, num_new, num_seen).masked_fill_(is_hidden_TS, -torch.inf)
            sinks_HM1 = self._sinks_HG1.repeat_interleave(num_new, dim=1)
        weights_HMS = torch.cat((scores_HMS, sinks_HM1), dim=-1).softmax(dim=-1)[..., :-1]
        return torch.bmm(weights_HMS, values_HSK)


def hidden(begin: int, end: int, *, window: int | None, device: torch.device) -> Tensor | None:
    """Return which cached positions (columns) are hidden from new positions `begin` to `end` (rows), [T, S].

    The columns are those that `LayerCache.append` returns. None means that nothing is hidden, as for a single token.
    """
    if end - begin == 1:
        return None
    first = 0 if window is None else max(0, begin - window + 1)
    rows_T1 = torch.arange(begin, end, device=device)[:, None]
    columns_S = torch.arange(first, end, device=device)
    is_later_TS = columns_S > rows_T1
    return is_later_TS if window is None else is_later_TS | (columns_S <= rows_T1 - window)
