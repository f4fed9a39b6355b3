"""Checkpoint: the tensors of a gpt-oss model in a folder of safetensors files.

Both published layouts are read, and presented by one set of names, those of the Hugging Face layout: see
`tensor_shapes`. Headers are checked when the folder is opened; a tensor's bytes are read, and its numbers looked over,
when it is asked for.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ostinato.engine import mxfp4
from ostinato.engine.config import ModelConfig
from ostinato.engine.interface import CheckpointError
from ostinato.engine.layouts import Source, sources, tensor_shapes

_COPY_AGAIN = "copy the checkpoint again"
QUANTIZATION = {
    "quant_method": "mxfp4",
    "modules_to_not_convert": [
        "model.layers.*.self_attn",
        "model.layers.*.mlp.router",
        "model.embed_tokens",
        "lm_head",
    ],
}


class Checkpoint(Mapping[str, Tensor]):
    """The tensors by their Hugging Face names, read on access, and the config."""

    def __init__(self, config: ModelConfig, files: "_Files", tensor_sources: Mapping[str, Source]) -> None:
        self.config = config
        self._files = files
        self._sources = tensor_sources

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open a folder that holds `config.json` and safetensors files of either layout.

        Raises:
            CheckpointError: if anything is missing, damaged, or of another shape or architecture. For numbers that
                cannot be weights it is raised when their tensor is read.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise CheckpointError(f"no folder {str(folder)!r}; give one that holds config.json and *.safetensors")
        config = ModelConfig.read(folder / "config.json")
        files = _Files(folder)
        is_packed = any(name.endswith(("_blocks", ".blocks")) for name in files)
        checkpoint = cls(config, files, sources(config, is_original="embedding.weight" in files, is_packed=is_packed))
        checkpoint._check()
        return checkpoint

    def __getitem__(self, name: str) -> Tensor:
        source = self._sources[name]
        tensor = _sound(self._files.read(source.name), source.name)
        if source.rows is not None:
            tensor = tensor[source.rows]
        return tensor.transpose(1, 2) if source.is_transposed else tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def _check(self) -> None:
        for name, source in self._sources.items():
            shape, dtype = self._files.describe(source.name)
            if shape != source.shape:
                complaint = f"{source.name} has shape {list(shape)}, config.json asks for {list(source.shape)}"
                raise CheckpointError(f"{complaint}; the two do not belong together")
            allowed = ("U8",) if name.endswith(("_blocks", "_scales")) else ("BF16", "F16", "F32")
            if dtype not in allowed:
                raise CheckpointError(f"{source.name} holds {dtype} numbers; it must hold {' or '.join(allowed)}")


class _Header(Protocol):
    """What a file says of a tensor (safetensors has no types of its own)."""

    def get_shape(self) -> list[int]: ...
    def get_dtype(self) -> str: ...


class _File(Protocol):
    """An open safetensors file."""

    def keys(self) -> list[str]: ...
    def get_slice(self, name: str) -> _Header: ...
    def get_tensor(self, name: str) -> Tensor: ...


class _Files:
    """The safetensors files of a folder, opened, and which of them holds each tensor."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holders: dict[str, _File] = {}
        for path in _listed(folder):
            opened = _opened(path)
            self._holders |= dict.fromkeys(opened.keys(), opened)

    def __iter__(self) -> Iterator[str]:
        return iter(self._holders)

    def __contains__(self, name: str) -> bool:
        return name in self._holders

    def describe(self, name: str) -> tuple[tuple[int, ...], str]:
        """Return the shape and the type of a tensor, without reading it."""
        if name not in self._holders:
            raise CheckpointError(f"{self._folder} holds no tensor {name!r}; {_COPY_AGAIN}, or it is no gpt-oss model")
        header = self._holders[name].get_slice(name)
        return tuple(header.get_shape()), header.get_dtype()

    def read(self, name: str) -> Tensor:
        """Read a tensor."""
        return self._holders[name].get_tensor(name)


def _sound(tensor: Tensor, name: str) -> Tensor:
    """Return the tensor, if its numbers may be weights: a file of the right size can still be damaged."""
    low, high = (value.item() for value in torch.aminmax(tensor))
    is_nan_scale = name.endswith("scales") and high == mxfp4.NAN_SCALE
    if is_nan_scale or not math.isfinite(low) or not math.isfinite(high):
        raise CheckpointError(f"{name} holds numbers that are not finite; {_COPY_AGAIN}")
    if low == high == 0 and tensor.dim() > 1:
        raise CheckpointError(f"{name} holds nothing but zeros; {_COPY_AGAIN}")
    return tensor


def save_checkpoint(
    folder: Path | str, config: ModelConfig, tensors: Mapping[str, Tensor], *, is_packed: bool = True
) -> None:
    """Write the official layout: bfloat16, experts in MXFP4 or (`is_packed` False) plain.

    `tensors` go by the names of `tensor_shapes`; experts may come in either form.

    Raises:
        CheckpointError: if a tensor is missing, of another shape, or cannot be packed.
    """
    folder = Path(folder)
    stored = dict(_stored(config, tensors, is_packed=is_packed))
    fields = config.to_fields() | ({"quantization_config": QUANTIZATION} if is_packed else {})
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "model.safetensors.partial"
    save_file(stored, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors makes files that only their owner can read
    os.replace(partial, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


def _stored(config: ModelConfig, tensors: Mapping[str, Tensor], *, is_packed: bool) -> Iterator[tuple[str, Tensor]]:
    for name, shape in tensor_shapes(config, is_packed=is_packed).items():
        if name.endswith("_scales"):
            continue  # written with its blocks
        if name.endswith("_blocks"):
            scales_name = name.removesuffix("_blocks") + "_scales"
            blocks, scales = _packed(tensors, name, scales_name)
            yield name, _shaped(blocks, name, shape)
            yield scales_name, scales.contiguous()
        else:
            yield name, _shaped(_plain(tensors, name).to(torch.bfloat16), name, shape)


def _packed(tensors: Mapping[str, Tensor], name: str, scales_name: str) -> tuple[Tensor, Tensor]:
    if name in tensors and scales_name in tensors:
        return tensors[name], tensors[scales_name]
    plain_name = name.removesuffix("_blocks")
    try:
        return mxfp4.quantize(_plain(tensors, plain_name).detach().transpose(1, 2))
    except ValueError as error:
        raise CheckpointError(f"{plain_name}: {error}; save it with is_packed=False") from error


def _plain(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    if name in tensors:
        return tensors[name]
    if f"{name}_blocks" in tensors and f"{name}_scales" in tensors:
        return mxfp4.dequantize(tensors[f"{name}_blocks"], tensors[f"{name}_scales"]).transpose(1, 2)
    raise CheckpointError(f"no tensor {name!r} to save; every tensor of the model is needed")


def _shaped(tensor: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
    if tuple(tensor.shape) != shape:
        raise CheckpointError(f"{name} has shape {list(tensor.shape)}; the config asks for {list(shape)}")
    return tensor.detach().cpu().contiguous()


def _listed(folder: Path) -> list[Path]:
    """Return the weight files: those that the index names, or all there are."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        paths = sorted(folder.glob("*.safetensors"))
        if not paths:
            raise CheckpointError(f"no *.safetensors file in {folder}; give the folder that holds the weights")
        return paths
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
        return [folder / name for name in sorted(names)]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{index} is no index of weight files; {_COPY_AGAIN}") from error


def _opened(path: Path) -> "_File":
    try:
        opened: _File = safe_open(path, framework="pt")
    except FileNotFoundError as error:
        raise CheckpointError(f"no file {path}, which the index names; {_COPY_AGAIN}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short ({error}); {_COPY_AGAIN}") from error
    return opened
