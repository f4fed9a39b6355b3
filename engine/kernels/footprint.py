"""Footprint: what a model's packed weights take, known before anything is read."""

import math
from dataclasses import dataclass

from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.embedding import SMALL
from ostinato.engine.kernels.library import ROWS, Form, Library
from ostinato.engine.layouts import tensor_shapes

_FLOAT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes: of all `panels` but the experts', of one `expert`, and of what lies `beside` panels in float32."""

    panels: int
    expert: int
    beside: int
    num_experts: int

    @property
    def fixed(self) -> int:
        """Count the bytes of everything but the experts."""
        return self.panels + self.beside

    @property
    def whole(self) -> int:
        """Count the bytes of everything."""
        return self.fixed + self.num_experts * self.expert


def footprint(config: ModelConfig, library: Library, form: Form) -> Footprint:
    """Count what the weights of a model take, its other matrices in the given form."""
    panels, beside = 0, config.context_length * config.head_dim * _FLOAT  # of the rotation
    for name, shape in tensor_shapes(config, is_packed=True).items():
        if name == "model.embed_tokens.weight":
            beside += min(SMALL, 2 * math.prod(shape))
        elif name == "lm_head.weight" or name.endswith("_proj.weight"):
            panels += matrix_bytes(library, form, *shape)
            beside += _FLOAT * shape[0]  # row scales
        elif not name.endswith(("_blocks", "_scales")):
            beside += _FLOAT * math.prod(shape)
    gate_up, down = expert_bytes(config, library)
    num_experts = config.num_layers * config.num_experts
    return Footprint(panels=panels, expert=gate_up + down, beside=beside, num_experts=num_experts)


def expert_bytes(config: ModelConfig, library: Library) -> tuple[int, int]:
    """Return the bytes of an expert's first matrix, gates and ups, and of its second."""
    hidden, intermediate = config.hidden_size, config.intermediate_size
    gate_up = matrix_bytes(library, Form.MXFP4, 2 * intermediate, hidden)
    return gate_up, matrix_bytes(library, Form.MXFP4, hidden, intermediate)


def matrix_bytes(library: Library, form: Form, rows: int, inputs: int) -> int:
    """Return the bytes of a matrix's panels."""
    return -(-rows // ROWS) * int(library.panel_bytes(form, inputs))
