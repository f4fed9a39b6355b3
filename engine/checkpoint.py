"""Checkpoint: the tensors of a gpt-oss model in a folder of safetensors files.

Both published layouts are read, and presented by one set of names, those of the Hugging Face layout: see
`tensor_shapes`. Headers are checked when the folder is opened; a tensor's bytes are read, and its numbers looked over,
when it is asked for.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeAlias

import torch
from safetensors.torch import save_file
from torch import Tensor

from ostinato.engine import mxfp4
from ostinato.engine.config import ModelConfig
from ostinato.engine.interface import CheckpointError
from ostinato.engine.layouts import Source, sources, tensor_shapes
from ostinato.engine.soundness import check_sound, largest_magnitude
from ostinato.engine.tensor_file import COPY_AGAIN, StoredTensor, TensorFile

Progress: TypeAlias = Callable[[int, int], None]  # bytes read, of how many

PIECE = 2**23  # bytes read at once
_FIRST = 2**12  # bytes of a tensor that tell it from another
QUANTIZATION = {
    "quant_method": "mxfp4",
    "modules_to_not_convert": [
        "model.layers.*.self_attn",
        "model.layers.*.mlp.router",
        "model.embed_tokens",
        "lm_head",
    ],
}
_TYPES = {"U8": torch.uint8, "BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


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

    @property
    def is_packed(self) -> bool:
        """Whether the experts are MXFP4."""
        return any(name.endswith("_blocks") for name in self._sources)

    @property
    def num_bytes(self) -> int:
        """Count the bytes of the tensors that the model is made of."""
        return sum(self.stored(name).num_bytes for name in self)

    def fingerprint(self) -> str:
        """Return what tells these weights from others: a digest of the shape and of the first bytes of each tensor."""
        digest = hashlib.blake2b(repr(self.config).encode(), digest_size=16)
        for name in sorted(self):
            tensor = self.stored(name)
            first = bytearray(min(tensor.num_bytes, _FIRST))
            tensor.file.read_into(memoryview(first), tensor.begin)
            digest.update(f"{name} {tensor.dtype} {tensor.shape} ".encode() + first)
        return digest.hexdigest()

    def stored(self, name: str) -> StoredTensor:
        """Return where a tensor lies; plain experts of the original layout stand there the other way round."""
        source = self._sources[name]
        tensor = self._files.find(source.name)
        return tensor if source.rows is None else tensor.rows(source.rows.start, source.rows.stop)

    def __getitem__(self, name: str) -> Tensor:
        tensor = _read(self.stored(name))
        return tensor.transpose(1, 2) if self._sources[name].is_transposed else tensor

    def __contains__(self, name: object) -> bool:
        return name in self._sources  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    @contextmanager
    def reporting(self, progress: Progress | None, total: int) -> Iterator[None]:
        """Tell `progress` within the block, from whichever thread reads, how many bytes of `total` have been read."""
        if progress is None:
            yield
            return
        lock, done = threading.Lock(), 0

        def count(num_bytes: int) -> None:
            nonlocal done
            with lock:
                done += num_bytes
                progress(done, total)

        self._files.tell(count)
        try:
            yield
        finally:
            self._files.tell(None)

    def _check(self) -> None:
        for name, source in self._sources.items():
            tensor = self._files.find(source.name)
            if tensor.shape != source.shape:
                complaint = f"{source.name} has shape {list(tensor.shape)}, config.json asks for {list(source.shape)}"
                raise CheckpointError(f"{complaint}; the two do not belong together")
            allowed = ("U8",) if name.endswith(("_blocks", "_scales")) else ("BF16", "F16", "F32")
            if tensor.dtype not in allowed:
                raise CheckpointError(
                    f"{source.name} holds {tensor.dtype} numbers; it must hold {' or '.join(allowed)}"
                )


class _Files:
    """The safetensors files of a folder, opened, and which of them holds each tensor."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = [TensorFile(path) for path in _listed(folder)]
        self._tensors = {name: tensor for file in self._files for name, tensor in file.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def find(self, name: str) -> StoredTensor:
        """Return where a tensor lies."""
        if name not in self._tensors:
            raise CheckpointError(f"{self._folder} holds no tensor {name!r}; {COPY_AGAIN}, or it is no gpt-oss model")
        return self._tensors[name]

    def tell(self, on_read: Callable[[int], None] | None) -> None:
        """Tell somebody of all bytes that are read, or nobody."""
        for file in self._files:
            file.on_read = on_read


def _read(stored: StoredTensor) -> Tensor:
    """Read a tensor, piece by piece, and look its numbers over."""
    tensor = torch.empty(stored.shape, dtype=_TYPES[stored.dtype])
    content = tensor.flatten().view(torch.uint8).numpy()
    largest = 0
    for begin in range(0, len(content), PIECE):
        piece = content[begin : begin + PIECE]
        stored.file.read_into(piece.data, stored.begin + begin)
        largest = max(largest, largest_magnitude(piece, stored.dtype))
    check_sound(stored, largest)
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
        raise CheckpointError(f"{index} is no index of weight files; {COPY_AGAIN}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {index}: {error.strerror}") from error
