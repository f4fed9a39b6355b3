"""Loading: from the folder of a checkpoint to a model in memory, in compiled kernels where they can run it."""

import math
from pathlib import Path
from typing import Any

import torch

from ostinato.engine import experts
from ostinato.engine.batch import Model
from ostinato.engine.checkpoint import Checkpoint, Progress
from ostinato.engine.config import ModelConfig
from ostinato.engine.experts import ExpertForm
from ostinato.engine.interface import EngineError
from ostinato.engine.kernels.footprint import footprint
from ostinato.engine.kernels.library import Form, Library, best_library
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.kernels.model import KernelModel, can_run
from ostinato.engine.layouts import tensor_shapes
from ostinato.engine.model import Transformer

_WIDE_LIMIT = 2**28  # weights outside the experts up to which float32 is used: 1 GiB
_WORKING = 2**29  # bytes to compute in, and for the keys and values of some thousand tokens


def load(
    folder: Path | str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    form: ExpertForm | None = None,
    threads: int | None = None,
    uses_kernels: bool | None = None,
    progress: Progress | None = None,
) -> Model[Any]:
    """Load the checkpoint in `folder`; see TorchEngine.open.

    Raises:
        CheckpointError: if there is none, or it cannot be used.
        EngineError: if the memory does not hold it, or the kernels are insisted on and cannot be used.
    """
    checkpoint = Checkpoint.open(folder)
    may = uses_kernels is not False and torch.device(device).type == "cpu" and dtype is None and form is None
    library = _library(checkpoint, insists=bool(uses_kernels)) if may else None
    with checkpoint.reporting(progress, checkpoint.num_bytes):
        if library is not None:
            return _kernel_model(checkpoint, library, threads)
        dtype = dtype or _fitting_dtype(checkpoint.config)
        form = form or experts.fitting_form(checkpoint.config, is_packed=checkpoint.is_packed)
        if torch.device(device).type == "cpu":
            check_room(_torch_bytes(checkpoint, dtype, form), available_bytes())
        return Transformer(checkpoint.config, checkpoint, device=device, dtype=dtype, form=form)


def check_room(needed: int, available: int) -> None:
    """Refuse a model before anything is read.

    Raises:
        EngineError: if its weights and what it computes in do not fit.
    """
    if needed + _WORKING > available:
        raise EngineError(
            f"the model needs {(needed + _WORKING) / 1e9:.1f} GB of memory and {available / 1e9:.1f} GB are available; "
            "close other programs, take a smaller model, or use a machine with more memory"
        )


def _library(checkpoint: Checkpoint, *, insists: bool) -> Library | None:
    """Return the compiled library that runs the model; None if none does."""
    library = best_library()
    if library is not None and can_run(checkpoint.config, is_packed=checkpoint.is_packed):
        return library
    if insists:
        why = "no kernels were built; install a C++ compiler and install again" if library is None else "the shape"
        raise EngineError(f"the compiled kernels cannot run this model: {why}")
    return None


def _kernel_model(checkpoint: Checkpoint, library: Library, threads: int | None) -> KernelModel:
    config = checkpoint.config
    form = Form.BFLOAT16 if _num_dense(config) <= _WIDE_LIMIT else Form.INT8
    check_room(footprint(config, library, form).whole, available_bytes())
    return KernelModel(config, checkpoint, library=library, form=form, threads=threads)


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


def _fitting_dtype(config: ModelConfig) -> torch.dtype:
    """Choose float32 for small models, which torch runs faster in it, and bfloat16 for those it would not fit."""
    return torch.float32 if _num_dense(config) <= _WIDE_LIMIT else torch.bfloat16
