"""Packing: a checkpoint's tensors in the panels that the kernels read.

Weights of experts keep their published bits. The other matrices are bfloat16 as published, or int8 with a scale a row.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.embedding import Embedding
from ostinato.engine.kernels.expert_store import ExpertStore
from ostinato.engine.kernels.footprint import footprint, matrix_bytes
from ostinato.engine.kernels.library import ROWS, Fetch, Form, Layer, Library, Matrix, Shape, Weights
from ostinato.engine.kernels.loader import Loader
from ostinato.engine.kernels.memory import Arena
from ostinato.engine.mxfp4 import GROUP
from ostinato.engine.rope import rotation

_PREFETCHED = 65_536  # bytes after a matrix that may be fetched, not used


class PackedWeights:
    """The weights of a model in the kernels' memory. `c_weights` stays valid as long as this lives.

    `expert_places` None holds all experts; else that many have a place, and the others are read when they are asked.

    Raises:
        CheckpointError: if a file cannot be read, or holds numbers that cannot be weights.
        EngineError: if the system gives no memory.
    """

    def __init__(
        self, checkpoint: Checkpoint, *, library: Library, form: Form, expert_places: int | None = None
    ) -> None:
        self._checkpoint, self._library, self._form = checkpoint, library, form
        self._config = checkpoint.config
        self._kept: list[object] = []
        counted = footprint(self._config, library, form)
        places = counted.num_experts if expert_places is None else expert_places
        self._arena = Arena(counted.panels + places * counted.expert + _PREFETCHED)
        self.store = None if expert_places is None else ExpertStore(checkpoint, library, self._arena, places=places)
        self._loader = Loader(library)
        self._layers = (Layer * self._config.num_layers)(*map(self._layer, range(self._config.num_layers)))
        self.c_weights = self._weights()
        self.embedding = Embedding(checkpoint.stored("model.embed_tokens.weight"))
        self.embedding.load(self._loader)
        with self._arena.populating():
            self._loader.run()

    def _weights(self) -> Weights:
        config, store = self._config, self.store
        cosines, sines = rotation(config.rope, config.head_dim, torch.arange(config.context_length))
        return Weights(
            shape=_shape(config),
            layers=self._layers,
            norm=self._floats(["model.norm.weight"]),
            head=self._dense(["lm_head.weight"], bias=None),
            cosines=self._address(cosines),
            sines=self._address(sines),
            fetch=Fetch() if store is None else store.fetch,
            places=0 if store is None else store.places,
        )

    def _layer(self, index: int) -> Layer:
        store, prefix = self.store, f"model.layers.{index}."
        attention = f"{prefix}self_attn."
        return Layer(
            slides=self._config.window(index) is not None,
            attention_norm=self._floats([f"{prefix}input_layernorm.weight"]),
            qkv=self._dense(
                [f"{attention}{name}_proj.weight" for name in "qkv"], [f"{attention}{name}_proj.bias" for name in "qkv"]
            ),
            out=self._dense([f"{attention}o_proj.weight"], [f"{attention}o_proj.bias"]),
            sinks=self._floats([f"{attention}sinks"]),
            experts_norm=self._floats([f"{prefix}post_attention_layernorm.weight"]),
            router=self._floats([f"{prefix}mlp.router.weight"]),
            router_bias=self._floats([f"{prefix}mlp.router.bias"]),
            gate_up=self._experts(f"{prefix}mlp.experts.gate_up_proj", None if store is None else store.gate_up),
            down=self._experts(f"{prefix}mlp.experts.down_proj", None if store is None else store.down),
            places=None if store is None else store.table[index].ctypes.data,
        )

    def _dense(self, names: Sequence[str], bias: Sequence[str] | None) -> Matrix:
        """Pack matrices of the same inputs one after another; all but the last have whole panels."""
        tensors = [self._checkpoint.stored(name) for name in names]
        rows, inputs = sum(tensor.shape[0] for tensor in tensors), tensors[0].shape[1]
        panels = self._arena.take(matrix_bytes(self._library, self._form, rows, inputs))
        scales = np.zeros(-(-rows // ROWS) * ROWS, dtype=np.float32) if self._form is Form.INT8 else None
        self._kept.append(scales)
        begin = 0
        for tensor in tensors:
            at = panels + matrix_bytes(self._library, self._form, begin, inputs)
            self._loader.matrix(self._form, tensor, at, None if scales is None else scales[begin:])
            begin += tensor.shape[0]
        return Matrix(
            form=self._form,
            rows=rows,
            inputs=inputs,
            panels=panels,
            scales=None if scales is None else scales.ctypes.data,
            bias=None if bias is None else self._floats(bias),
        )

    def _experts(self, name: str, panels: int | None) -> Matrix:
        """Pack the matrices of all experts, or, where `panels` is the place of some, leave them in their file."""
        blocks, scales = self._checkpoint.stored(f"{name}_blocks"), self._checkpoint.stored(f"{name}_scales")
        experts, rows, groups, _ = blocks.shape
        inputs = groups * GROUP
        size = matrix_bytes(self._library, Form.MXFP4, rows, inputs)
        if panels is None:
            panels = self._arena.take(experts * size)
            self._loader.experts(blocks, scales, range(panels, panels + experts * size, size))
        bias = self._floats([f"{name}_bias"])
        return Matrix(form=Form.MXFP4, rows=rows, inputs=inputs, panels=panels, scales=None, bias=bias)

    def _floats(self, names: Sequence[str]) -> int:
        """Return where tensors will stand one after another as float32."""
        tensors = [self._checkpoint.stored(name) for name in names]
        room = np.zeros((sum(tensor.shape[0] for tensor in tensors), *tensors[0].shape[1:]), dtype=np.float32)
        begin = 0
        for tensor in tensors:
            self._loader.floats(tensor, room[begin : begin + tensor.shape[0]])
            begin += tensor.shape[0]
        return self._address(room)

    def _address(self, kept: NDArray[np.float32] | Tensor) -> int:
        numbers = np.ascontiguousarray(kept, dtype=np.float32)
        self._kept.append(numbers)
        return numbers.ctypes.data


def _shape(config: ModelConfig) -> Shape:
    return Shape(
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
    )
