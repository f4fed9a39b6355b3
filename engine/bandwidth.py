"""How fast this machine reads memory: the ceiling of decoding, which reads every weight that it uses."""

import ctypes
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ostinato.engine.kernels.memory import HugeMemory, available_bytes

_MOST = 2**30  # bytes read in a round: more than caches hold
_PIECE = 2**23  # bytes of each of two streams that a thread reads at a time
_ROUNDS = 4


def read_bandwidth(threads: int | None = None) -> float:
    """Measure the bytes a second that `threads` (None: one a core) read from huge pages; the best of some rounds.

    It takes about a second, and a gigabyte of memory for that time, less where there is little.
    """
    threads = threads or os.cpu_count() or 1
    both = 2 * _PIECE
    size = max(both * threads, min(_MOST, available_bytes() // 8) // both * both)
    memory = HugeMemory(size)
    content = memoryview((ctypes.c_char * size).from_address(memory.address)).cast("B")
    streams = np.frombuffer(content, dtype=np.float32).reshape(2, -1, _PIECE // 4)  # one alone does not fill the memory
    pieces = range(streams.shape[1])

    def write(piece: int) -> None:
        streams[:, piece] = 1  # memory that was never written is not read

    def read(piece: int) -> None:
        np.einsum("i,i->", *streams[:, piece])

    def seconds() -> float:
        begin = time.perf_counter()
        list(pool.map(read, pieces))
        return time.perf_counter() - begin

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, pieces))
        return size / min(seconds() for _ in range(_ROUNDS))
