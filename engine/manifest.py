"""Manifest: what the files of a checkpoint should be, written beside them by whoever fetched and verified them."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ostinato.engine.interface import CheckpointError

MANIFEST = "manifest.json"
_PIECE = 2**22  # bytes read at once


class FileRecord(BaseModel):
    """A file: its size in bytes, and the SHA-256 of its bytes in hexadecimal digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The files that were fetched from a repository at a revision; `is_complete` says that these are all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    revision: str
    is_complete: bool
    files: dict[str, FileRecord]

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read the manifest in a folder; None if there is none.

        Raises:
            CheckpointError: if it is no manifest.
        """
        path = folder / MANIFEST
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise CheckpointError(f"{path} is no manifest of a checkpoint; delete it, then pull the model") from error

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder, whole or not at all."""
        partial = folder / f"{MANIFEST}.partial"
        partial.write_text(self.model_dump_json(indent=2) + "\n")
        os.replace(partial, folder / MANIFEST)


def sha256_of(path: Path, on_read: Callable[[int], None] = lambda count: None) -> str:
    """Return the SHA-256 of a file's bytes; `on_read` is told how many were read each time."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            on_read(len(piece))
    return digest.hexdigest()


def complaint_of(folder: Path, name: str, record: FileRecord, on_read: Callable[[int], None]) -> str | None:
    """Say what is wrong with a file of a folder; None if it is what its record says."""
    path = folder / name
    try:
        size = path.stat().st_size
        if size != record.size:
            return f"{path} has {size} bytes and should have {record.size}"
        if sha256_of(path, on_read) != record.sha256:
            return f"{path} is not what was fetched: its SHA-256 is another"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None
