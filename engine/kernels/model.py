"""KernelModel: a gpt-oss model that runs in the compiled kernels, any number of sequences at once."""

import ctypes
import os
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ostinato.engine.batch import Work
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.library import ROWS, Chunk, Form, Library
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.kernels.weights import PackedWeights
from ostinato.engine.pages import PAGE, PagedCache, PagePool

_MOST_GROUP = 16  # queries per key that the kernels take
_LEFT = 2**28  # bytes that are never taken: 256 MiB
_MOST_IDS_ON_DEMAND = 2048  # in a step that may read nearly all experts: the more ids, the more they are shared by


def can_run(config: ModelConfig, *, is_packed: bool) -> bool:
    """Say whether the kernels take this shape."""
    widths = config.head_dim, config.hidden_size, config.intermediate_size
    group = config.num_query_heads // config.num_kv_heads
    return is_packed and group <= _MOST_GROUP and all(width % 32 == 0 for width in widths)


class KernelModel:
    """The weights, packed, and the memory for keys and values: room for `cache_tokens` tokens of all sequences.

    `cache_tokens` None is what half of the memory holds that the weights leave. It is taken as it is needed.
    `expert_places` None holds all experts; else that many are in memory at a time, and `store` brings them.
    `most_ids` is how many ids a step should have at most.
    """

    cache_layout = f"pages of {PAGE} tokens in bfloat16"
    most_guesses = 7  # a step of eight rows takes about three times as long as one of one

    def __init__(
        self,
        config: ModelConfig,
        checkpoint: Checkpoint,
        *,
        library: Library,
        form: Form,
        threads: int | None = None,
        cache_tokens: int | None = None,
        expert_places: int | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device("cpu")
        self.backend = library.kind
        self._library = library
        threads = threads or os.cpu_count() or 1
        self._weights = PackedWeights(checkpoint, library=library, form=form, expert_places=expert_places)
        self.store = self._weights.store
        self.most_ids = 512 if self.store is None else _MOST_IDS_ON_DEMAND
        self._handle: int | None = library.open(self._weights.c_weights, threads)
        layer_bytes = library.page_bytes(self._weights.c_weights.shape)
        num_sliding = sum(config.window(layer) is not None for layer in range(config.num_layers))
        full_bytes, sliding_bytes = (
            max(1, config.num_layers - num_sliding) * layer_bytes,
            max(1, num_sliding) * layer_bytes,
        )
        limit = -(-cache_tokens // PAGE) if cache_tokens else _fitting_pages(full_bytes)
        self._full = PagePool(full_bytes, limit=limit, has_room=_has_room)
        self._sliding = PagePool(sliding_bytes, limit=limit, has_room=_has_room)
        self.cache_tokens = limit * PAGE

    def new_cache(self) -> PagedCache:
        """Return the cache of a sequence that has seen nothing."""
        return PagedCache(self._full, self._sliding, window=self.config.sliding_window)

    def step(self, works: Sequence[Work[PagedCache]]) -> list[Tensor | None]:
        """Let each sequence see its ids; return the logits after the last id of those that want them, [V] float32.

        Raises:
            OutOfMemory: if the memory for keys and values is used up; no sequence has then moved.
            CheckpointError: if an expert could not be read that was not in memory; no sequence has then moved.
        """
        for work in works:
            work.cache.reach(work.cache.length + len(work.ids) + len(work.guesses))
        embedded = [self._weights.embedding.rows([*work.ids, *work.guesses]) for work in works]
        chunks = (Chunk * len(works))(*map(_chunk, works, embedded))
        rows = _rows(works)
        only = works[0].rows if len(works) == 1 and not works[0].guesses else None
        logits = self._step(chunks, rows, only)
        for work in works:
            work.cache.advance(len(work.ids))
        found: list[Tensor | None] = []
        begin = 0
        for work in works:
            if not work.wants_logits:
                found.append(None)
                continue
            of_work = logits[begin : begin + 1 + len(work.guesses)]
            begin += len(of_work)
            if work.rows is not None and only is None:
                of_work = of_work[:, torch.tensor(work.rows)]
            found.append(of_work if work.guesses else of_work[0])
        return found

    def read_speed(self) -> float:
        """Measure how many bytes of weights a second the threads read that do nothing else with them."""
        head = self._weights.c_weights.head
        size = -(-head.rows // ROWS) * self._library.panel_bytes(head.form, head.inputs)
        begin = time.perf_counter()
        self._library.read(self._handle, head.panels, size)
        return float(size / (time.perf_counter() - begin))

    def close(self) -> None:
        """Free the threads; the memory goes with the object."""
        if self._handle is not None:
            self._library.close(self._handle)
            self._handle = None
            if self.store is not None:
                self.store.close()

    def _step(self, chunks: "ctypes.Array[Chunk]", rows: NDArray[np.int32], only: Sequence[int] | None) -> Tensor:
        wanted = None if only is None else np.array(only, dtype=np.int32)
        width = self.config.vocab_size if wanted is None else len(wanted)
        logits = torch.empty(len(rows), width)
        rows = np.ascontiguousarray(rows, dtype=np.int32)
        self._library.step(
            self._handle,
            chunks,
            len(chunks),
            rows.ctypes.data,
            len(rows),
            None if wanted is None else wanted.ctypes.data,
            0 if wanted is None else len(wanted),
            logits.data_ptr(),
        )
        if self.store is not None:
            self.store.check()
        return logits


def _rows(works: Sequence[Work[PagedCache]]) -> NDArray[np.int32]:
    """Return which of all rows of a step are wanted: the last id of a sequence, and its guesses."""
    rows: list[int] = []
    end = 0
    for work in works:
        end += len(work.ids) + len(work.guesses)
        if work.wants_logits:
            rows += range(end - len(work.guesses) - 1, end)
    return np.array(rows, dtype=np.int32)


def _fitting_pages(full_bytes: int) -> int:
    """Return how many pages may be taken: half of the memory that is left, as sliding pages are soon given back."""
    return max(16, available_bytes() // 2 // full_bytes)


def _has_room(size: int) -> bool:
    """Say whether the system can give as many bytes and keep some: others may have taken memory since the start."""
    return available_bytes() - size > _LEFT


def _chunk(work: Work[PagedCache], embedded: NDArray[np.uint16]) -> Chunk:
    return Chunk(
        embedded=embedded.ctypes.data,
        begin=work.cache.length,
        count=len(embedded),
        is_exact=work.is_exact,
        full_pages=work.cache.full_addresses.ctypes.data,
        sliding_pages=work.cache.sliding_addresses.ctypes.data,
    )
