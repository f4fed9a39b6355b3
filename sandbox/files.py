"""Files below /mnt/data, read and written inside the sandbox: no links, no devices, nothing outside.

Every step of a path is opened by itself with O_NOFOLLOW, so a link planted by a cell is refused wherever it stands.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

ROOT = "/mnt/data"
CHUNK_BYTES = 2**19
MAX_PATH_CHARS = 1000


class FileRefused(Exception):  # noqa: N818  (states a condition)
    """A file cannot be put or got; the message says why."""


def write_chunk(path: str, content: bytes, *, offset: int, last: bool) -> None:
    """Write `content` at `offset` of a hidden file beside `path`; rename that to `path` after the `last` chunk."""
    with _parent_of(path, make=True) as (folder, name):
        hidden = f".put-{name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_TRUNC if offset == 0 else 0)
        file = os.open(hidden, flags, 0o644, dir_fd=folder)
        try:
            while content:
                written = os.pwrite(file, content, offset)
                content, offset = content[written:], offset + written
        except OSError:
            os.unlink(hidden, dir_fd=folder)
            raise
        finally:
            os.close(file)
        if last:
            os.replace(hidden, name, src_dir_fd=folder, dst_dir_fd=folder)


def read_chunk(path: str, *, offset: int) -> tuple[bytes, int]:
    """Return at most `CHUNK_BYTES` of the regular file `path` from `offset` on, and its size."""
    with _parent_of(path, make=False) as (folder, name):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused(f"{path!r} is not a regular file")
        return os.pread(file, CHUNK_BYTES, offset), status.st_size
    finally:
        os.close(file)


@contextlib.contextmanager
def _parent_of(path: str, *, make: bool) -> Iterator[tuple[int, str]]:
    *folders, name = _steps(path)
    current = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, dir_fd=current)
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = below
        yield current, name
    finally:
        os.close(current)


def _steps(path: str) -> list[str]:
    steps = [step for step in path.removeprefix(ROOT + "/").split("/") if step not in ("", ".")]
    is_elsewhere = path.startswith("/") and not path.startswith(ROOT + "/")
    if is_elsewhere or ".." in steps or "\0" in path or not steps:
        raise FileRefused(f"{path!r} is not a path below {ROOT}")
    return steps


def reason(path: str, error: OSError) -> str:
    """Say in words why `path` could not be read or written."""
    words = {
        errno.ENOENT: f"there is no file {path!r} in {ROOT}",
        errno.ELOOP: f"{path!r} is or passes through a symbolic link, which is not followed",
        errno.ENOTDIR: f"{path!r} passes through something that is not a folder (links are not followed)",
        errno.ENOSPC: f"{ROOT} is full, so {path!r} could not be written",
        errno.EFBIG: f"{path!r} is larger than a file may be",
        errno.EISDIR: f"{path!r} is a folder",
    }
    return words.get(error.errno or 0, f"{path!r}: {error.strerror}")
