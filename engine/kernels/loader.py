"""Loader: tensors from files into the kernels' memory, piece by piece, in a few threads.

A thread reads a piece into a buffer of its own, looks its numbers over and packs them where they belong, while others
read: the disk is never idle, and no more than a buffer a thread is held beside what is made of it.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.engine.checkpoint import PIECE
from ostinato.engine.kernels.library import ROWS, Form, Library
from ostinato.engine.mxfp4 import GROUP
from ostinato.engine.soundness import check_finite, check_sound, largest_magnitude
from ostinato.engine.tensor_file import StoredTensor

Content = NDArray[np.uint8]

FLOATS = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
_MORE_THREADS = 2  # than cores, as some wait for the disk


@dataclass(frozen=True, slots=True)
class Piece:
    """Parts of tensors that are read together, and what takes the bytes of each."""

    parts: Sequence[StoredTensor]
    take: Callable[[Sequence[Content]], None]


class Loader:
    """Collects what is to be read, and reads it in that order when it is run."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._pieces: list[Piece] = []
        self._tensors: list[StoredTensor] = []

    def matrix(self, form: Form, tensor: StoredTensor, address: int, scales: NDArray[np.float32] | None) -> None:
        """Pack a matrix of plain numbers into panels at `address`, its row scales to `scales`."""
        inputs = tensor.shape[1]
        panel_bytes = self._library.panel_bytes(form, inputs)
        for begin, part in self._parts(tensor):

            def take(contents: Sequence[Content], begin: int = begin, part: StoredTensor = part) -> None:
                numbers = _numbers(contents[0], part).to(torch.bfloat16)
                at = address + begin // ROWS * panel_bytes
                row_scales = None if scales is None else scales[begin:].ctypes.data
                self._library.pack(form, numbers.data_ptr(), None, part.shape[0], inputs, at, row_scales)

            self._pieces.append(Piece([part], take))

    def experts(self, blocks: StoredTensor, scales: StoredTensor, addresses: Iterable[int]) -> None:
        """Pack the MXFP4 matrices of a layer's experts into panels at an address each."""
        self._tensors += blocks, scales
        for expert, address in enumerate(addresses):
            self._pieces.append(expert_piece(self._library, blocks, scales, expert=expert, address=address))

    def floats(self, tensor: StoredTensor, room: NDArray[np.float32]) -> None:
        """Read a tensor of plain numbers into `room`, of the same shape."""

        def take(contents: Sequence[Content]) -> None:
            torch.from_numpy(room).copy_(_numbers(contents[0], tensor))

        self._tensors.append(tensor)
        self._pieces.append(Piece([tensor], take))

    def copy(self, tensor: StoredTensor, room: Content | None) -> None:
        """Read a matrix as it is into `room`, [rows, bytes]; None only looks its numbers over."""
        for begin, part in self._parts(tensor):

            def take(contents: Sequence[Content], begin: int = begin, part: StoredTensor = part) -> None:
                if room is not None:
                    room[begin : begin + part.shape[0]] = contents[0].reshape(part.shape[0], -1)

            self._pieces.append(Piece([part], take))

    def run(self) -> None:
        """Read everything.

        Raises:
            CheckpointError: if a file cannot be read, or holds numbers that cannot be weights.
        """
        largest = dict.fromkeys((tensor.name for tensor in self._tensors), 0)
        reader = Reader(os.cpu_count() or 1)
        try:
            for piece, found in zip(self._pieces, reader.load(self._pieces), strict=True):
                for part, magnitude in zip(piece.parts, found, strict=True):
                    largest[part.name] = max(largest[part.name], magnitude)
        finally:
            reader.close()
        for tensor in self._tensors:
            check_sound(tensor, largest[tensor.name])

    def _parts(self, tensor: StoredTensor) -> Iterator[tuple[int, StoredTensor]]:
        """Cut a matrix into parts of whole panels; return the first row of each, and the part."""
        self._tensors.append(tensor)
        rows = tensor.shape[0]
        per_part = max(1, PIECE * rows // tensor.num_bytes // ROWS) * ROWS
        for begin in range(0, rows, per_part):
            yield begin, tensor.rows(begin, begin + per_part)


class Reader:
    """Threads that load pieces, each with a buffer of its own."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads + _MORE_THREADS, thread_name_prefix="reader")
        self._own = threading.local()

    def load(self, pieces: Iterable[Piece]) -> Iterator[list[int]]:
        """Read the pieces, check that their numbers are finite, and hand them over.

        Return the largest magnitude of each part, in the order of the pieces.

        Raises:
            CheckpointError: as the result of a piece that cannot be read, or that holds a number that is not finite.
        """
        return self._pool.map(self._load, pieces)

    def close(self) -> None:
        """End the threads after the pieces that they are at."""
        self._pool.shutdown(cancel_futures=True)

    def _load(self, piece: Piece) -> list[int]:
        contents = self._buffers([part.num_bytes for part in piece.parts])
        largest = []
        for part, content in zip(piece.parts, contents, strict=True):
            part.read_into(content.data)
            largest.append(largest_magnitude(content, part.dtype))
            check_finite(part, largest[-1])
        piece.take(contents)
        return largest

    def _buffers(self, sizes: Sequence[int]) -> list[Content]:
        buffer: Content | None = getattr(self._own, "buffer", None)
        if buffer is None or len(buffer) < sum(sizes):
            buffer = self._own.buffer = np.empty(sum(sizes), dtype=np.uint8)
        ends = accumulate(sizes)
        return [buffer[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def expert_piece(library: Library, blocks: StoredTensor, scales: StoredTensor, *, expert: int, address: int) -> Piece:
    """Return the piece that packs the MXFP4 matrix of one expert into panels at `address`."""
    _, rows, groups, _ = blocks.shape

    def take(contents: Sequence[Content]) -> None:
        source, group_scales = (content.ctypes.data for content in contents)
        library.pack(Form.MXFP4, source, group_scales, rows, groups * GROUP, address, None)

    return Piece([blocks.rows(expert, expert + 1), scales.rows(expert, expert + 1)], take)


def _numbers(content: Content, tensor: StoredTensor) -> Tensor:
    return torch.from_numpy(content).view(FLOATS[tensor.dtype]).view(tensor.shape)
