"""Survey: what this machine computes with, and what a model takes of its memory, known without reading the weights."""

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.footprint import expert_bytes, footprint, matrix_bytes
from ostinato.engine.kernels.library import Form, Library, libraries
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.layouts import tensor_shapes
from ostinato.engine.loading import fitting_form
from ostinato.engine.pages import PAGE
from ostinato.engine.self_test import sound_library

_FLOAT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The processor, the compiled kernels by kind with what is to be said of each, and the memory that is left."""

    processor: str
    cores: int
    kernels: Mapping[str, str]
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSurvey:
    """What a model takes, in bytes; the kernels read `read_per_token` and the keys and values to decode a token.

    `fixed_cache` is what the sliding layers of a sequence hold however long it is, and `cache_per_token` what the full
    ones add. `longest` is the length of the one sequence that fits, 0 if the weights do not. `form` is how the weights
    outside the experts are held.
    """

    config: ModelConfig
    kernels: str
    form: Form
    parts: Mapping[str, int]
    in_file: int
    cache_per_token: int
    fixed_cache: int
    read_per_token: int
    longest: int

    @property
    def weights(self) -> int:
        """Count the bytes of weights in memory."""
        return sum(self.parts.values())

    def tokens_per_second(self, bandwidth: float, *, context: int) -> float:
        """Estimate decoding at a length of context by what must be read; it is a ceiling, nothing else counted."""
        return bandwidth / (self.read_per_token + self.fixed_cache + context * self.cache_per_token)


def survey_machine(form: Form) -> Machine:
    """Look at the processor, its kernels (which are tested with a form of weights) and the memory."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        kernels=_kernels(form),
        memory=available_bytes(),
    )


def survey_model(checkpoint: Checkpoint, library: Library, memory: int) -> ModelSurvey:
    """Count what a model takes in the compiled kernels, where `memory` bytes are available."""
    config, form = checkpoint.config, fitting_form(checkpoint.config)
    whole = footprint(config, library, form)
    experts = whole.num_experts * whole.expert
    head = matrix_bytes(library, form, config.vocab_size, config.hidden_size)
    parts = {"experts": experts, "attention": whole.panels - head, "head": head, "other": whole.beside}
    layer_page = 2 * 2 * config.num_kv_heads * config.head_dim * PAGE
    num_sliding = sum(config.window(layer) is not None for layer in range(config.num_layers))
    per_token = (config.num_layers - num_sliding) * layer_page // PAGE
    window_pages = -(-config.sliding_window // PAGE) + 1
    fixed = num_sliding * layer_page * window_pages
    chosen = config.num_layers * config.experts_per_token * sum(expert_bytes(config, library))
    routers = config.num_layers * config.num_experts * config.hidden_size * _FLOAT
    left = (memory - whole.whole) // 2 - fixed  # the other half stays free, as the engine leaves it
    return ModelSurvey(
        config=config,
        kernels=library.kind,
        form=form,
        parts=parts,
        in_file=math.prod(tensor_shapes(config, is_packed=True)["model.embed_tokens.weight"]) * 2,
        cache_per_token=per_token,
        fixed_cache=fixed,
        read_per_token=chosen + whole.panels + routers,
        longest=max(0, min(config.context_length, left // per_token if per_token else config.context_length)),
    )


def _kernels(form: Form) -> dict[str, str]:
    """Say of each library that was built whether it can run here, computes correctly, and is used."""
    folder = Path(__file__).parent / "kernels"
    built = [path.name.split(".")[0].removeprefix("cpu_") for path in sorted(folder.glob("cpu_*"))]
    usable = libraries()
    said = {kind: "not for this processor" for kind in built if kind not in usable}
    chosen: str | None = None
    for kind, library in usable.items():
        choice = sound_library(form, [library])
        if choice.library is None:
            said[kind] = "refused: computes wrong numbers here"
        elif chosen is None:
            chosen, said[kind] = kind, "used: the fastest that this processor runs, and its numbers are right"
        else:
            said[kind] = f"runs here too, slower than {chosen}"
    return {kind: said[kind] for kind in [*usable, *(kind for kind in built if kind not in usable)]}


def _processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
