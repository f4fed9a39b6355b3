"""Packing: a checkpoint's tensors into the panels that the kernels read.

Weights of experts keep their published bits. The other matrices are bfloat16 as published, or int8 with a scale a row.
"""

# ruff: noqa: N806  (tensor names carry their shape)
# V vocabulary, D model, O outputs, I inputs, E experts, G groups of 32 inputs

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.library import ROWS, Form, Layer, Library, Matrix, Shape, Weights
from ostinato.engine.kernels.memory import HugeMemory
from ostinato.engine.rope import rotation

_SHARE = 64  # panels packed by one thread at a time
_PREFETCHED = 65_536  # bytes after a matrix that may be fetched, not used

Tensors = Mapping[str, Tensor]


class PackedWeights:
    """The weights of a model in the kernels' memory. `c_weights` stays valid as long as this lives."""

    def __init__(self, config: ModelConfig, tensors: Tensors, *, library: Library, form: Form, threads: int) -> None:
        self._config, self._tensors, self._library, self._form = config, tensors, library, form
        self._kept: list[object] = []
        with ThreadPoolExecutor(threads) as self._pool:
            self._layers = (Layer * config.num_layers)(*map(self._layer, range(config.num_layers)))
            self.c_weights = self._weights()

    def _weights(self) -> Weights:
        config = self._config
        embedding_VD = self._tensors["model.embed_tokens.weight"].to(torch.bfloat16).contiguous()
        self._kept.append(embedding_VD)
        cosines, sines = rotation(config.rope, config.head_dim, torch.arange(config.context_length))
        return Weights(
            shape=Shape(
                layers=config.num_layers,
                hidden=config.hidden_size,
                intermediate=config.intermediate_size,
                query_heads=config.num_query_heads,
                kv_heads=config.num_kv_heads,
                head_dim=config.head_dim,
                experts=config.num_experts,
                chosen=config.experts_per_token,
                vocabulary=config.vocab_size,
                window=config.sliding_window,
                eps=config.norm_eps,
                slope=config.swiglu_alpha,
                limit=config.swiglu_limit,
            ),
            layers=self._layers,
            embedding=embedding_VD.data_ptr(),
            norm=self._floats("model.norm.weight"),
            head=self._dense(["lm_head.weight"], bias=None),
            cosines=self._kept_floats(cosines),
            sines=self._kept_floats(sines),
        )

    def _layer(self, index: int) -> Layer:
        prefix = f"model.layers.{index}."
        attention = f"{prefix}self_attn."
        return Layer(
            slides=self._config.window(index) is not None,
            attention_norm=self._floats(f"{prefix}input_layernorm.weight"),
            qkv=self._dense(
                [f"{attention}{name}_proj.weight" for name in "qkv"], [f"{attention}{name}_proj.bias" for name in "qkv"]
            ),
            out=self._dense([f"{attention}o_proj.weight"], [f"{attention}o_proj.bias"]),
            sinks=self._floats(f"{attention}sinks"),
            experts_norm=self._floats(f"{prefix}post_attention_layernorm.weight"),
            router=self._floats(f"{prefix}mlp.router.weight"),
            router_bias=self._floats(f"{prefix}mlp.router.bias"),
            gate_up=self._experts(f"{prefix}mlp.experts.gate_up_proj"),
            down=self._experts(f"{prefix}mlp.experts.down_proj"),
        )

    def _dense(self, names: Sequence[str], bias: Sequence[str] | None) -> Matrix:
        weight_OI = torch.cat([self._tensors[name].to(torch.bfloat16) for name in names]).contiguous()
        rows, inputs = weight_OI.shape
        num_panels = -(-rows // ROWS)
        panels = self._room(self._form, num_panels, inputs)
        scales = np.zeros(num_panels * ROWS, dtype=np.float32) if self._form is Form.INT8 else None
        self._kept.append(scales)
        self._pack(self._form, (weight_OI, None), panels, scales)
        return Matrix(
            form=self._form,
            rows=rows,
            inputs=inputs,
            panels=panels.address,
            scales=None if scales is None else scales.ctypes.data,
            bias=None if bias is None else self._kept_floats(torch.cat([self._tensors[name] for name in bias])),
        )

    def _experts(self, name: str) -> Matrix:
        blocks_EOGB, scales_EOG = self._tensors[f"{name}_blocks"], self._tensors[f"{name}_scales"]
        experts, rows, groups, _ = blocks_EOGB.shape
        inputs, per_expert = groups * 32, -(-rows // ROWS)
        panels = self._room(Form.MXFP4, experts * per_expert, inputs)
        size = per_expert * self._library.panel_bytes(Form.MXFP4, inputs)
        for expert in range(experts):
            source = blocks_EOGB[expert].contiguous(), scales_EOG[expert].contiguous()
            self._pack(Form.MXFP4, source, panels, None, offset=expert * size)
        bias = self._floats(f"{name}_bias")
        return Matrix(form=Form.MXFP4, rows=rows, inputs=inputs, panels=panels.address, scales=None, bias=bias)

    def _room(self, form: Form, num_panels: int, inputs: int) -> HugeMemory:
        panels = HugeMemory(num_panels * self._library.panel_bytes(form, inputs) + _PREFETCHED)
        self._kept.append(panels)
        return panels

    def _pack(
        self,
        form: Form,
        source: tuple[Tensor, Tensor | None],
        panels: HugeMemory,
        scales: NDArray[np.float32] | None,
        *,
        offset: int = 0,
    ) -> None:
        """Pack all rows of one matrix, a share of panels per thread at a time."""
        weight, groups = source
        rows, inputs = weight.shape[0], weight[0].numel() * (1 if groups is None else 2)
        panel_bytes = self._library.panel_bytes(form, inputs)

        def share(first: int) -> None:
            begin, end = first * ROWS, min(rows, (first + _SHARE) * ROWS)
            self._library.pack(
                form,
                weight[begin:end].data_ptr(),
                None if groups is None else groups[begin:end].data_ptr(),
                end - begin,
                inputs,
                panels.address + offset + first * panel_bytes,
                None if scales is None else scales[begin:].ctypes.data,
            )

        list(self._pool.map(share, range(0, -(-rows // ROWS), _SHARE)))

    def _floats(self, name: str) -> int:
        return self._kept_floats(self._tensors[name])

    def _kept_floats(self, tensor: Tensor) -> int:
        floats = tensor.float().contiguous()
        self._kept.append(floats)
        return floats.data_ptr()
