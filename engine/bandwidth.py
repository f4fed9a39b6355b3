"""How fast this machine reads memory: the ceiling of decoding, which reads every weight that it uses."""

import ctypes
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ostinato.engine.kernels.memory import HugeMemory, available_bytes

_MOST = 2**30  # bytes read: more than caches hold
_PIECE = 2**23  # bytes that a thread reads at a time
_ROUNDS = 4


def read_bandwidth(threads: int | None = None) -> float:
    """Measure the bytes a second that `threads` (None: one a core) read from huge pages; the best of some rounds.

    It takes about a second, and a gigabyte of memory for that time, less where there is little.
    """
    threads = threads or os.cpu_count() or 1
    size = max(_PIECE * threads, min(_MOST, available_bytes() // 8) // _PIECE * _PIECE)
    memory = HugeMemory(size)
    content = memoryview((ctypes.c_char * size).from_address(memory.address)).cast("B")
    numbers = np.frombuffer(content, dtype=np.uint64).reshape(-1, _PIECE // 8)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_write, numbers))  # memory that was never written is not read from memory
        return max(size / _seconds(pool, numbers) for _ in range(_ROUNDS))


def _write(piece: NDArray[np.uint64]) -> None:
    piece[:] = 1


def _seconds(pool: ThreadPoolExecutor, numbers: NDArray[np.uint64]) -> float:
    begin = time.perf_counter()
    list(pool.map(np.bitwise_or.reduce, numbers))
    return time.perf_counter() - begin
