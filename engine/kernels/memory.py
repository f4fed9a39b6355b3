"""Memory for what is read from front to back at the speed of the machine: weights, keys and values."""

import ctypes
import mmap
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ostinato.engine.interface import EngineError

_HUGE = 2**21
_LINE = 64
_POPULATE = 23  # MADV_POPULATE_WRITE of Linux 5.14, which Python has no name for
_STRIDE = 2**26  # bytes that are taken at a time
_UNLIMITED = 2**60  # above this, a limit is none


class HugeMemory:
    """Zeroed memory on a boundary of 2 MiB, which the system is asked to back with pages of that size.

    With pages of 4 KiB a core waits for the page table and reads at half the speed.

    Raises:
        EngineError: if the system refuses it.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # shared memory gets no huge pages
        try:
            self._map = mmap.mmap(-1, size + _HUGE, flags=flags)
        except OSError as error:
            why = f"the system gives no {size / 1e9:.2f} GB of memory: {error.strerror}"
            raise EngineError(f"{why}; close other programs, or raise the limit") from error
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.address = start + -start % _HUGE
        self._is_over = False
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)

    def populate(self) -> None:
        """Take the memory at once, as far as the system can: later the files being read leave fewer large pages."""
        for begin in range(0, self.size // _HUGE * _HUGE, _STRIDE):
            if self._is_over or not _advise(self.address + begin, min(_STRIDE, self.size - begin) // _HUGE * _HUGE):
                return

    def stop(self) -> None:
        """End `populate`, which another thread is at."""
        self._is_over = True


class Arena:
    """Huge memory that is handed out from front to back."""

    def __init__(self, size: int) -> None:
        self._memory = HugeMemory(size)
        self._taken = 0

    def take(self, size: int) -> int:
        """Return the address of `size` bytes, on a boundary of 64."""
        begin = -(-self._taken // _LINE) * _LINE
        self._taken = begin + size
        assert self._taken <= self._memory.size, "the memory was counted too small"
        return self._memory.address + begin

    @contextmanager
    def populating(self) -> Iterator[None]:
        """Take the memory in a thread of its own while the block fills it; see HugeMemory."""
        thread = threading.Thread(target=self._memory.populate, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._memory.stop()
            thread.join()


def available_bytes(root: Path = Path("/")) -> int:
    """Return how much memory programs can still take without others being pushed out, as far as the system tells.

    A container's limit counts as the machine's does. `root` is where the system describes itself.
    """
    return min([_of_machine(root), *_of_groups(root)])


def _of_machine(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4


def _of_groups(root: Path) -> list[int]:
    """Return what the limits of this process's control groups leave, of either version."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    rooms: list[int] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            rooms += _of_group(root / "sys/fs/cgroup/memory", path, names)
        elif not controllers:
            rooms += _of_group(root / "sys/fs/cgroup", path, ("memory.max", "memory.current", "inactive_file"))
    return rooms


def _of_group(mount: Path, path: str, names: tuple[str, str, str]) -> list[int]:
    """Return what a group and those above it leave; a container sees its own as the root."""
    own = mount / path.lstrip("/")
    limit_name, usage_name, idle_name = names
    rooms = []
    for folder in {own, *own.parents, mount}:
        if not folder.is_relative_to(mount):
            continue
        try:
            limit = int((folder / limit_name).read_text())
            used = int((folder / usage_name).read_text())
            counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            idle = int(counts.get(idle_name, 0))
        except (OSError, ValueError):
            continue  # no such group here, or no limit ("max")
        if limit < _UNLIMITED:
            rooms.append(max(0, limit - used + idle))
    return rooms


def _advise(address: int, size: int) -> bool:
    """Populate memory without holding up other threads, as Python's own `madvise` would; say whether it was done."""
    if sys.platform != "linux":
        return False
    result = ctypes.CDLL(None).madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), ctypes.c_int(_POPULATE))
    return bool(result == 0)
