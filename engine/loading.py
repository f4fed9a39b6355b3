"""Loading: from the folder of a checkpoint to a model in memory, in compiled kernels where they can run it."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ostinato.engine import experts
from ostinato.engine.batch import Model
from ostinato.engine.checkpoint import Checkpoint, Progress
from ostinato.engine.config import ModelConfig
from ostinato.engine.experts import ExpertForm
from ostinato.engine.interface import EngineError
from ostinato.engine.kernels.footprint import footprint
from ostinato.engine.kernels.library import Form, Library
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.kernels.model import KernelModel, can_run
from ostinato.engine.kernels.plan import check_room, fitting_places, forecast
from ostinato.engine.layouts import tensor_shapes
from ostinato.engine.model import Transformer
from ostinato.engine.self_test import Choice, sound_library

SLOW = "the engine runs on torch alone, slower"
_WIDE_LIMIT = 2**28  # weights outside the experts up to which float32 is used: 1 GiB


class Loaded(NamedTuple):
    """A model, and what its user should know of how it runs."""

    model: Model[Any]
    notices: tuple[str, ...]


def load(
    folder: Path | str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    form: ExpertForm | None = None,
    threads: int | None = None,
    uses_kernels: bool | None = None,
    expert_memory: int | None = None,
    progress: Progress | None = None,
    cache_tokens: int | None = None,
    on_notice: Callable[[str], None] | None = None,
    candidates: Iterable[Library] | None = None,
) -> Loaded:
    """Load the checkpoint in `folder`; see TorchEngine.open.

    The first of the `candidates` that computes correctly is used; None are those that this processor can run.

    Raises:
        CheckpointError: if there is none, or it cannot be used.
        EngineError: if the memory does not hold it, or the kernels are insisted on and cannot be used.
    """
    checkpoint = Checkpoint.open(folder)
    may = uses_kernels is not False and torch.device(device).type == "cpu" and dtype is None and form is None
    choice = _choice(checkpoint, candidates) if may else Choice(library=None)
    if choice.library is None and uses_kernels:
        raise EngineError("; ".join(["the compiled kernels cannot run this model", *choice.refused]))
    if choice.library is not None:
        model = _kernel_model(
            checkpoint,
            choice.library,
            threads=threads,
            cache_tokens=cache_tokens,
            expert_memory=expert_memory,
            progress=progress,
            on_notice=on_notice,
        )
        return Loaded(model, choice.refused)
    slow = _transformer(
        checkpoint, torch.device(device), dtype=dtype, form=form, cache_tokens=cache_tokens, progress=progress
    )
    return Loaded(slow, (*choice.refused, SLOW) if choice.refused else ())


def _choice(checkpoint: Checkpoint, candidates: Iterable[Library] | None) -> Choice:
    """Choose the compiled library that runs the model; without one, say why."""
    if not can_run(checkpoint.config, is_packed=checkpoint.is_packed):
        return Choice(library=None, refused=("the compiled kernels take MXFP4 experts and widths in multiples of 32",))
    choice = sound_library(fitting_form(checkpoint.config), candidates)
    if choice.library is None and not choice.refused:
        return Choice(library=None, refused=("no kernels were built; install a C++ compiler, then Ostinato again",))
    return choice


def _kernel_model(
    checkpoint: Checkpoint,
    library: Library,
    *,
    threads: int | None,
    cache_tokens: int | None,
    expert_memory: int | None,
    progress: Progress | None,
    on_notice: Callable[[str], None] | None,
) -> KernelModel:
    config = checkpoint.config
    form = fitting_form(config)
    counted = footprint(config, library, form)
    places = fitting_places(config, counted, available=available_bytes(), expert_memory=expert_memory)
    total = checkpoint.num_bytes
    if places is not None:
        total -= sum(checkpoint.stored(name).num_bytes for name in checkpoint if name.endswith(("_blocks", "_scales")))
        if on_notice is not None:
            on_notice(forecast(checkpoint, counted, places))
    with checkpoint.reporting(progress, total):
        return KernelModel(
            config,
            checkpoint,
            library=library,
            form=form,
            threads=threads,
            cache_tokens=cache_tokens,
            expert_places=places,
        )


def _transformer(
    checkpoint: Checkpoint,
    device: torch.device,
    *,
    dtype: torch.dtype | None,
    form: ExpertForm | None,
    cache_tokens: int | None,
    progress: Progress | None,
) -> Transformer:
    config = checkpoint.config
    dtype = dtype or _fitting_dtype(config)
    form = form or experts.fitting_form(config, is_packed=checkpoint.is_packed)
    if device.type == "cpu":
        check_room(_torch_bytes(checkpoint, dtype, form), available_bytes())
    with checkpoint.reporting(progress, checkpoint.num_bytes):
        return Transformer(config, checkpoint, device=device, dtype=dtype, form=form, cache_tokens=cache_tokens)


def _torch_bytes(checkpoint: Checkpoint, dtype: torch.dtype, form: ExpertForm) -> int:
    """Count the bytes of a model in torch: experts as they are stored, if they stay packed, all else as `dtype`."""
    if form == "packed":
        packed = [checkpoint.stored(name) for name in checkpoint if name.endswith(("_blocks", "_scales"))]
        return sum(tensor.num_bytes for tensor in packed) + _num_dense(checkpoint.config) * dtype.itemsize
    shapes = tensor_shapes(checkpoint.config, is_packed=False)
    return sum(map(math.prod, shapes.values())) * dtype.itemsize


def _num_dense(config: ModelConfig) -> int:
    """Count the weights outside the experts."""
    shapes = tensor_shapes(config, is_packed=False)
    return sum(math.prod(shape) for name, shape in shapes.items() if ".experts." not in name)


def fitting_form(config: ModelConfig) -> Form:
    """Choose how the kernels hold the weights outside the experts."""
    return Form.BFLOAT16 if _num_dense(config) <= _WIDE_LIMIT else Form.INT8


def _fitting_dtype(config: ModelConfig) -> torch.dtype:
    """Choose float32 for small models, which torch runs faster in it, and bfloat16 for those it would not fit."""
    return torch.float32 if _num_dense(config) <= _WIDE_LIMIT else torch.bfloat16
