"""A sequence's keys and values in a file, so that a session goes on in another process without seeing it all again.

    magic · length of the header, 8 bytes · header, JSON · ids, int32 · digest of all that
    the buffers of the cache, one after the other · their digest

Numbers are little-endian, digests BLAKE2b of 32 bytes. The header says of which model the numbers are and how they lie
in memory. A file appears under its name when it is whole, and can be read by its owner only: it is what was said.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ostinato.engine.batch import Cache, Outline
from ostinato.engine.interface import EngineError

_MAGIC = b"ostinato cache 1\n"
_DIGEST = 32
_PIECE = 2**22
_LONGEST_HEADER = 2**20

_Count = Annotated[int, Field(ge=0, lt=2**31)]


class _Header(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    model: str
    kind: str
    length: Annotated[int, Field(gt=0, lt=2**31)]
    marks: list[tuple[_Count, bool]]
    pieces: list[_Count]
    num_bytes: int


def cache_kind(layout: str) -> str:
    """Name how numbers lie in memory."""
    return f"{layout}, {sys.byteorder}-endian"


def write_cache(path: Path, ids: Sequence[int], cache: Cache, *, model: str, kind: str) -> None:
    """Write what the cache has seen, `ids`.

    Raises:
        EngineError: if the file cannot be written; one of that name stays as it is.
    """
    outline, buffers = cache.outline(), cache.buffers()
    header = _Header(
        model=model,
        kind=kind,
        length=outline.length,
        marks=outline.marks,
        pieces=outline.pieces,
        num_bytes=sum(buffer.nbytes for buffer in buffers),
    )
    try:
        with _replacing(path) as file:
            text = header.model_dump_json().encode()
            _write(file, [_MAGIC, len(text).to_bytes(8, "little"), text, np.array(ids, dtype="<i4").tobytes()])
            _write(file, buffers)
    except OSError as error:
        raise EngineError(f"cannot write the cache to {str(path)!r}: {error.strerror or error}") from error


class SavedCache:
    """A file that `write_cache` wrote, its header checked. Use it in a `with` block.

    Raises:
        EngineError: if it cannot be read, is damaged, or belongs to another model.
    """

    def __init__(self, path: Path, *, model: str, kind: str, context_length: int) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise EngineError(f"cannot read the cache {str(path)!r}: {error.strerror}") from error
        try:
            self._header, self.ids = self._read_header()
            self._check(model, kind, context_length)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "SavedCache":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def outline(self) -> Outline:
        """What the buffers hold."""
        header = self._header
        return Outline(length=header.length, marks=header.marks, pieces=header.pieces)

    def fill(self, cache: Cache) -> None:
        """Read the buffers of a cache that was restored by the outline.

        Raises:
            EngineError: if the file is damaged; the cache is then of no use.
        """
        buffers = cache.buffers()
        if sum(buffer.nbytes for buffer in buffers) != self._header.num_bytes:
            raise self._damaged("it has other buffers than the model")
        digest = hashlib.blake2b(digest_size=_DIGEST)
        for buffer in buffers:
            for begin in range(0, buffer.nbytes, _PIECE):
                piece = buffer[begin : begin + _PIECE]
                self._read_into(piece)
                digest.update(piece)
        if self._bytes(_DIGEST) != digest.digest():
            raise self._damaged("its numbers have changed")
        if cache.branching_point(cache.length) != self._header.length:
            raise self._damaged("its windows are not whole")

    def _read_header(self) -> tuple[_Header, NDArray[np.int32]]:
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise EngineError(
                f"{str(self.path)!r} is no cache that was saved, or one of another version; save it again"
            )
        size = self._bytes(8)
        text = self._bytes(min(int.from_bytes(size, "little"), _LONGEST_HEADER))
        try:
            header = _Header.model_validate_json(text)
        except ValidationError as error:
            raise self._damaged("its header cannot be read") from error
        rest = os.fstat(self._file.fileno()).st_size - self._file.tell()
        if rest != 4 * header.length + header.num_bytes + 2 * _DIGEST:
            raise self._damaged("it is not whole")
        ids = self._bytes(4 * header.length)
        digest = hashlib.blake2b(_MAGIC + size + text + ids, digest_size=_DIGEST)
        if self._bytes(_DIGEST) != digest.digest():
            raise self._damaged("its header has changed")
        return header, np.frombuffer(ids, dtype="<i4").astype(np.int32)

    def _check(self, model: str, kind: str, context_length: int) -> None:
        header, name = self._header, str(self.path)
        if header.model != model:
            raise EngineError(f"{name!r} is the cache of another model; load it with the weights it was saved with")
        if header.kind != kind:
            raise EngineError(f"{name!r} holds {header.kind}; here are {kind}: open the engine as when it was saved")
        places = [0, *(mark for mark, _ in header.marks), header.length + 1]
        is_possible = header.length <= context_length and places == sorted(set(places))
        if not is_possible:
            raise self._damaged("its header contradicts itself")

    def _bytes(self, count: int) -> bytes:
        buffer = bytearray(count)
        self._read_into(memoryview(buffer))
        return bytes(buffer)

    def _read_into(self, buffer: memoryview) -> None:
        try:
            count = self._file.readinto(buffer)
        except OSError as error:
            raise EngineError(f"cannot read the cache {str(self.path)!r}: {error.strerror}") from error
        if count != len(buffer):
            raise self._damaged("it is not whole")

    def _damaged(self, why: str) -> EngineError:
        return EngineError(f"the cache {str(self.path)!r} is damaged: {why}; remove it, and save it again")


def _write(file: IO[bytes], parts: Sequence[bytes | memoryview]) -> None:
    """Write parts and their digest."""
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(part)
        file.write(part)
    file.write(digest.digest())


@contextmanager
def _replacing(path: Path) -> Iterator[IO[Any]]:
    """Open a new file that takes the name `path` once it is written."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
