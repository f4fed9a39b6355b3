"""TensorFile: one safetensors file, its header checked, its bytes read on demand.

Format (https://github.com/huggingface/safetensors): eight bytes of length, little-endian; that many bytes of JSON, for
each tensor its type, shape and bytes; then the bytes of all tensors, without gaps. They are read into memory of ours:
a mapped file would count as the process's memory as it is read, next to what is made of it.
"""

import json
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from ostinato.engine.interface import CheckpointError

COPY_AGAIN = "copy the checkpoint again"

_LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
_MOST_DIMENSIONS = 8
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor, or some of its rows, in a file: `shape` numbers of the type `dtype`, from the byte `begin` on."""

    file: "TensorFile"
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int

    @property
    def num_bytes(self) -> int:
        """Count its bytes."""
        return math.prod(self.shape) * _BYTES[self.dtype]

    def rows(self, begin: int, end: int) -> "StoredTensor":
        """Return the tensor of the rows from `begin` to `end`, which is not among them; the last may be missing."""
        end = min(end, self.shape[0])
        row_bytes = math.prod(self.shape[1:]) * _BYTES[self.dtype]
        return replace(self, shape=(end - begin, *self.shape[1:]), begin=self.begin + begin * row_bytes)

    def read_into(self, buffer: memoryview) -> None:
        """Read the bytes into `buffer`, which has just as many.

        Raises:
            CheckpointError: if the file cannot be read, or was cut since it was opened.
        """
        self.file.read_into(buffer, self.begin)

    def forget(self) -> None:
        """Ask the system to drop what it keeps of these bytes in memory."""
        self.file.forget(self.begin, self.num_bytes)


class TensorFile(Mapping[str, StoredTensor]):
    """The tensors of a safetensors file by their names. Any number of threads may read.

    `on_read` is told how many bytes were read, by the thread that read them.

    Raises:
        CheckpointError: if the file is missing, or is not whole.
    """

    on_read: Callable[[int], None] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = self._opened()
        weakref.finalize(self, self._file.close)
        self._tensors = self._read_header()

    def __getitem__(self, name: str) -> StoredTensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def read_into(self, buffer: memoryview, begin: int) -> None:
        """Fill `buffer` with the bytes from `begin` on; see StoredTensor."""
        done = 0
        while done < len(buffer):
            try:
                count = self._read(buffer[done:], begin + done)
            except OSError as error:
                raise CheckpointError(f"cannot read {self.path}: {error.strerror}; {COPY_AGAIN}") from error
            if not count:
                raise self._damaged(f"it ends before byte {begin + len(buffer)}")
            done += count
        if self.on_read is not None:
            self.on_read(done)

    def forget(self, begin: int, size: int) -> None:
        """Ask the system to drop what it keeps in memory of `size` bytes; see StoredTensor."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), begin, size, os.POSIX_FADV_DONTNEED)

    def _read(self, buffer: memoryview, begin: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], begin)
        with self._lock:
            self._file.seek(begin)
            return self._file.readinto(buffer)

    def _opened(self) -> FileIO:
        try:
            if self.path.exists() and not self.path.is_file():
                raise CheckpointError(f"{self.path} is no file; {COPY_AGAIN}")
            return FileIO(self.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CheckpointError(f"no file {self.path}, which the index names; {COPY_AGAIN}") from error
        except OSError as error:
            raise CheckpointError(f"cannot read {self.path}: {error.strerror}") from error
        except ValueError as error:
            raise CheckpointError(f"{str(self.path)!r} is no name of a file; {COPY_AGAIN}") from error

    def _read_header(self) -> dict[str, StoredTensor]:
        size = os.fstat(self._file.fileno()).st_size
        if size < 8:
            raise self._damaged(f"it has {size} bytes")
        length = int.from_bytes(self._bytes(0, 8), "little")
        if length > min(size - 8, _LONGEST_HEADER):
            raise self._damaged(f"its header would have {length} bytes, the file has {size}")
        try:
            fields = json.loads(self._bytes(8, length), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise self._damaged("its header is not JSON") from error
        if not isinstance(fields, dict):
            raise self._damaged("its header is no object")
        fields.pop("__metadata__", None)
        tensors = {name: self._tensor(name, entry, 8 + length, size) for name, entry in fields.items()}
        self._check_bytes(tensors, {name: entry["data_offsets"] for name, entry in fields.items()}, size - 8 - length)
        return tensors

    def _tensor(self, name: str, entry: object, begin: int, size: int) -> StoredTensor:
        match entry:
            case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [first, last]} if len(
                shape
            ) <= _MOST_DIMENSIONS and all(_is_count(number) for number in (*shape, first, last)):
                pass
            case _:
                raise self._damaged(f"its header does not describe {name!r:.80}")
        if not first <= last <= size - begin:
            raise self._damaged(f"{name!r:.80} would lie at bytes {first!r:.25} to {last!r:.25} of {size - begin}")
        if dtype in _BYTES and math.prod(shape) * _BYTES[dtype] != last - first:
            raise self._damaged(f"{name!r:.80} has {last - first} bytes, which are not its {dtype} numbers")
        return StoredTensor(file=self, name=name, dtype=dtype, shape=tuple(shape), begin=begin + first)

    def _check_bytes(self, tensors: Mapping[str, StoredTensor], offsets: Mapping[str, list[int]], size: int) -> None:
        """Refuse tensors that share bytes, and bytes of none: the header then belongs to another file."""
        end = 0
        for name in sorted(tensors, key=lambda name: offsets[name]):
            begin, last = offsets[name]
            if begin != end:
                raise self._damaged(f"{name!r:.80} begins at byte {begin}, the tensor before it ends at {end}")
            end = last
        if end != size:
            raise self._damaged(f"its tensors end at byte {end} of {size}")

    def _bytes(self, begin: int, length: int) -> bytearray:
        content = bytearray(length)
        self.read_into(memoryview(content), begin)
        return content

    def _damaged(self, why: str) -> CheckpointError:
        return CheckpointError(f"{self.path} is damaged or cut short ({why}); {COPY_AGAIN}")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of JSON, in which a name must not stand twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice")
    return fields


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0
