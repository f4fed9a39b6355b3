"""Pulling: the files of a model from the hub into a folder, whole and verified, or as far as it went.

A file grows under a name that ends in `.partial` and carries the hub's hash of it; what is there is gone on from, in
this process or a later one. When it has its full size its bytes are hashed, and only then does it get its name. The
manifest beside the weights says what was verified.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from ostinato.agent import hub
from ostinato.agent.exit_codes import CommandError, ExitCode
from ostinato.agent.hub import ConnectionLost, HubFile, Listing
from ostinato.agent.sizes import readable_size
from ostinato.engine.config import ModelConfig
from ostinato.engine.manifest import FileRecord, Manifest, sha256_of

PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0)  # seconds before another try; as many tries without a byte are given up after
_AT_ONCE = 4  # files fetched at the same time
_SPARE = 2**26  # bytes that are left on the disk
_CONFIG = "config.json"
_INDEX = "model.safetensors.index.json"
_WEIGHTS = ".safetensors"
_LAYOUTS = ("", "original/")  # where their files are, the one that is taken first
_PARTIAL = ".partial"
_BESIDE = re.compile(r"(LICENSE|USAGE_POLICY|NOTICE)(\.\w+)?|vocabulary\.json")


class Watcher(Protocol):
    """Who is told how a pull goes, from several threads."""

    def begin(self, num_bytes: int, done: int) -> None:
        """Hear how many bytes of weights there are, and how many of them are here; nothing is heard before."""

    def advance(self, num_bytes: int) -> None:
        """Hear of bytes that came; less than none are those thrown away."""

    def verifying(self, name: str) -> None:
        """Hear that all bytes of a file are here, and are now hashed."""

    def verified(self, name: str, size: int) -> None:
        """Hear that a file is whole."""


def pull(
    repository: str, revision: str | None, folder: Path, watcher: Watcher, *, pauses: Sequence[float] = PAUSES
) -> Manifest:
    """Fetch what a model needs to run, one of its layouts, and return what was verified.

    Raises:
        CommandError: if the hub, the network, the disk or the repository does not let it; what came stays.
        CheckpointError: if the repository holds no gpt-oss model.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            return _Pull(hub.listing(repository, revision), folder, watcher, pauses).run()
    except Timeout as error:
        raise _failed(f"another pull is at work in {folder}; let it finish") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _failed(f"the disk of {folder} is full; make room, and the same command goes on from here") from error
        message = f"cannot write to {error.filename or folder} ({error.strerror}); give another folder with --to"
        raise _failed(message) from error


class _Pull:
    def __init__(self, listing: Listing, folder: Path, watcher: Watcher, pauses: Sequence[float]) -> None:
        self._listing, self._folder, self._watcher, self._pauses = listing, folder, watcher, pauses
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._records: dict[str, FileRecord] = {}
        self._before = Manifest.read(folder)

    def run(self) -> Manifest:
        if self._before is not None and self._is_here(self._before):
            return self._before
        inside = self._layout()
        self._fetch([inside[name] for name in (_CONFIG, _INDEX) if name in inside])
        ModelConfig.read(self._folder / _CONFIG)  # before gigabytes are fetched
        weights = self._weights(inside)
        self._fetch([file for path, file in self._listing.files.items() if _BESIDE.fullmatch(path)])
        self._take_over(weights)
        self._check_room(weights)
        self._watcher.begin(sum(file.size for file in weights), sum(map(self._have, weights)))
        self._fetch([file for file in weights if file.name not in self._records])
        self._remove_what_was_replaced()
        return self._write(is_complete=True)

    def _is_here(self, before: Manifest) -> bool:
        is_same = before.is_complete and before.revision == self._listing.revision
        return is_same and all(_size(self._folder / name) == record.size for name, record in before.files.items())

    def _layout(self) -> dict[str, HubFile]:
        """Return the files of one layout by their names: the repository's own, or that in its folder `original`."""
        files = self._listing.files
        for top in _LAYOUTS:
            inside = {file.name: file for path, file in files.items() if path == top + file.name}
            if _CONFIG in inside and any(name.endswith(_WEIGHTS) for name in inside):
                return inside
        raise _failed(
            f"{self._listing.repository} holds no gpt-oss weights ({_CONFIG} beside *{_WEIGHTS}); "
            f"it has {', '.join(sorted(files)[:5]) or 'no files'}"
        )

    def _weights(self, inside: dict[str, HubFile]) -> list[HubFile]:
        """Return the files of weights: those that the index names, or all there are."""
        if _INDEX not in inside:
            return [file for name, file in sorted(inside.items()) if name.endswith(_WEIGHTS)]
        names = self._indexed()
        missing = next((name for name in names if name not in inside), None)
        if missing is not None:
            raise _failed(f"{self._listing.repository} holds no {missing!r}, which its index names; tell its owner")
        return [inside[name] for name in names]

    def _indexed(self) -> list[str]:
        try:
            index = json.loads((self._folder / _INDEX).read_bytes())
            return sorted(set(index["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            message = f"{self._listing.repository}: {_INDEX} is no index of weight files; tell its owner"
            raise _failed(message) from error

    def _take_over(self, weights: list[HubFile]) -> None:
        """Take over files that an earlier pull verified, and those that other programs fetched."""
        known = self._before.files if self._before else {}
        for file in weights:
            record = known.get(file.name)
            if record and record.sha256 == file.sha256 and _size(self._folder / file.name) == record.size:
                self._records[file.name] = record
            elif _size(self._partial(file)) is None:
                path = hub.cached(self._listing, file)
                if path is not None and _size(path) == file.size:
                    _link(path.resolve(), self._partial(file))

    def _check_room(self, weights: list[HubFile]) -> None:
        needed = sum(file.size - self._have(file) for file in weights)
        free = shutil.disk_usage(self._folder).free
        if needed + _SPARE > free:
            raise _failed(
                f"{readable_size(needed)} are still to come and {self._folder} has {readable_size(free)} free; "
                "make room, or give a folder on another disk with --to"
            )

    def _fetch(self, files: list[HubFile]) -> None:
        """Fetch some files at a time; the first failure ends all."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                list(pool.map(self._fetch_one, files))
            except BaseException:
                self._is_over.set()
                raise

    def _fetch_one(self, file: HubFile) -> None:
        partial = self._partial(file)
        record = self._fetched(file, partial) or self._fetched(file, partial)  # what was here before may be at fault
        if self._is_over.is_set():
            return
        if record is None:
            raise _failed(f"{hub.host()} sends {file.path} with other bytes than it promises; try again later")
        os.replace(partial, self._folder / file.name)
        with self._lock:
            self._records[file.name] = record
            self._write(is_complete=False)
        self._watcher.verified(file.name, file.size)

    def _fetched(self, file: HubFile, partial: Path) -> FileRecord | None:
        """Bring a file to its full size and hash it; None, and it is gone, if the hash is not the hub's."""
        self._grow(file, partial)
        if self._is_over.is_set():
            return None
        self._watcher.verifying(file.name)
        sha256 = sha256_of(partial)
        if sha256 == file.sha256 if file.sha256 else _git_sha1(partial) == file.git_sha1:
            return FileRecord(size=file.size, sha256=sha256)
        self._watcher.advance(-file.size)
        partial.unlink()
        return None

    def _grow(self, file: HubFile, partial: Path) -> None:
        """Fetch what is missing of a file, through lost connections."""
        failures = 0
        while (have := _size(partial)) != file.size and not self._is_over.is_set():
            reason = self._append(file, partial, have or 0)
            if (_size(partial) or 0) > (have or 0):
                failures = 0
            elif _size(partial) != file.size:
                if failures == len(self._pauses):
                    advice = "check the network; the same command goes on from here"
                    raise _failed(f"{hub.host()} does not send {file.path} ({reason}); {advice}")
                self._is_over.wait(self._pauses[failures])
                failures += 1

    def _append(self, file: HubFile, partial: Path, have: int) -> str:
        """Fetch from byte `have` on as far as it goes, and return why it went no further."""
        try:
            with hub.opened(self._listing, file, have) as (begin, pieces):
                self._watcher.advance(begin - have)
                with partial.open("ab" if begin else "wb", buffering=0) as out:  # a killed process loses nothing
                    for piece in pieces:
                        if self._is_over.is_set():
                            break
                        piece = piece[: file.size - begin]
                        out.write(piece)
                        begin += len(piece)
                        self._watcher.advance(len(piece))
        except ConnectionLost as error:
            return str(error)
        return "the connection was closed early"

    def _partial(self, file: HubFile) -> Path:
        return self._folder / f"{file.name}.{(file.sha256 or file.git_sha1)[:12]}{_PARTIAL}"

    def _have(self, file: HubFile) -> int:
        return file.size if file.name in self._records else min(file.size, _size(self._partial(file)) or 0)

    def _write(self, *, is_complete: bool) -> Manifest:
        manifest = Manifest(
            repository=self._listing.repository,
            revision=self._listing.revision,
            is_complete=is_complete,
            files=dict(sorted(self._records.items())),
        )
        manifest.write(self._folder)
        return manifest

    def _remove_what_was_replaced(self) -> None:
        """Remove the files of an earlier revision, and parts of files that were begun for it."""
        for name in (self._before.files if self._before else {}).keys() - self._records.keys():
            (self._folder / name).unlink(missing_ok=True)
        for path in self._folder.glob(f"*{_PARTIAL}"):
            path.unlink()


def _size(path: Path) -> int | None:
    """Return the size of a file; None if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _link(source: Path, target: Path) -> None:
    """Let a file have a second name, without copying it."""
    try:
        os.link(source, target)
    except OSError:
        target.symlink_to(source)  # on another disk


def _git_sha1(path: Path) -> str:
    """Return the hash that git knows a file by."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _failed(message: str) -> CommandError:
    return CommandError(message, code=ExitCode.FAILED)
