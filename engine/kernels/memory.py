"""Memory for what is read from front to back at the speed of the machine: weights, keys and values."""

import ctypes
import mmap
import os
from pathlib import Path

_HUGE = 2**21


class HugeMemory:
    """Zeroed memory on a boundary of 2 MiB, which the system is asked to back with pages of that size.

    With pages of 4 KiB a core waits for the page table and reads at half the speed.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._map = mmap.mmap(
            -1, size + _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )  # shared memory stays small
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.address = start + -start % _HUGE
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)


def available_bytes() -> int:
    """Return how much memory programs can still take without others being pushed out, as far as the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
