"""CacheSaver: sequences out of an engine's memory into files, and back, while its streams go on."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ostinato.engine.batch import Cache, Model, OutOfMemory
from ostinato.engine.cache_file import SavedCache, cache_kind, write_cache
from ostinato.engine.interface import EngineError
from ostinato.engine.scheduler import Scheduler

T = TypeVar("T")


class Worker(Protocol):
    """The thread that alone may touch the scheduler and its caches."""

    def call(self, action: Callable[[Scheduler[Any]], T]) -> T:
        """Let the thread do something between two steps; return, or raise, what came of it."""


class CacheSaver:
    """Takes sequences out of the worker's memory into files, and back. It blocks, in a thread of its own."""

    def __init__(self, worker: Worker, model: Model[Any], *, fingerprint: str) -> None:
        if not fingerprint:
            raise EngineError("only an engine that was opened from a checkpoint can save and load its cache")
        self._worker, self._model, self._fingerprint = worker, model, fingerprint

    def save(self, ids: Sequence[int], path: Path) -> int:
        """Save; see TorchEngine.save_cache."""
        try:
            cache = self._worker.call(lambda scheduler: scheduler.branch(ids))
        except OutOfMemory as error:
            raise EngineError("there is no memory to save the cache; end a stream, and save it again") from error
        if cache is None:
            raise EngineError(f"nothing of these {len(ids)} ids is in memory; save what a stream has seen")
        try:
            length: int = cache.length
            write_cache(path, ids[:length], cache, model=self._fingerprint, kind=cache_kind(self._model.cache_layout))
        finally:
            self._free(cache)
        return length

    def load(self, path: Path) -> int:
        """Load; see TorchEngine.load_cache."""
        model, kind = self._model, cache_kind(self._model.cache_layout)
        length = model.config.context_length
        with SavedCache(path, model=self._fingerprint, kind=kind, context_length=length) as saved:
            try:
                cache = self._worker.call(lambda scheduler: scheduler.restore(saved.outline))
            except OutOfMemory as error:
                raise EngineError(
                    f"the cache {str(path)!r} has {len(saved.ids)} tokens, for which there is no memory now; "
                    "end a stream, or open the engine with more cache_tokens"
                ) from error
            except ValueError as error:
                raise EngineError(
                    f"the cache {str(path)!r} is damaged: {error}; remove it, and save it again"
                ) from error
            try:
                saved.fill(cache)
            except BaseException:
                self._free(cache)
                raise
        ids = saved.ids.tolist()
        self._worker.call(lambda scheduler: scheduler.keep(ids, cache))
        return len(ids)

    def _free(self, cache: Cache) -> None:
        with suppress(EngineError):  # an engine that was closed meanwhile has freed all
            self._worker.call(lambda _: cache.free())
