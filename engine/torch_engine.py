"""TorchEngine: a gpt-oss model in this process.

All computation runs in one thread of its own, a step at a time (scheduler.py), so that the event loop stays free and
many streams are served at once. A stream runs at most two ids ahead of its reader. When it is cancelled, the step being
computed is finished, and the stream is gone.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

import torch

from ostinato.engine.batch import Model
from ostinato.engine.cache_saver import CacheSaver
from ostinato.engine.checkpoint import Checkpoint, Progress
from ostinato.engine.experts import ExpertForm
from ostinato.engine.generation import Generation
from ostinato.engine.interface import Constraint, EngineError, Sampling, TokenLogprob, Usage
from ostinato.engine.loading import load
from ostinato.engine.scheduler import Scheduler

T = TypeVar("T")

_AHEAD = 2  # ids computed before they are asked for


class TorchEngine:
    """Continues ids with a model of weights.

    `threads` sets how many cores are used; None leaves that to torch, or takes all for the compiled kernels. Small
    models are fastest with one. `notices` are what the user should know of how the model runs; the `fingerprint` tells
    its weights from others.
    """

    def __init__(
        self,
        model: Model[Any],
        *,
        name: str = "torch",
        threads: int | None = None,
        notices: Sequence[str] = (),
        fingerprint: str = "",
    ) -> None:
        self.name = name
        self._fingerprint = fingerprint
        self.notices = tuple(notices)
        self.vocab_size = model.config.vocab_size
        self.context_length = model.config.context_length
        self._model: Model[Any] | None = model
        self.backend = model.backend
        self._worker = _Worker(model, name=name, threads=threads)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        form: ExpertForm | None = None,
        threads: int | None = None,
        uses_kernels: bool | None = None,
        expert_memory: int | None = None,
        progress: Progress | None = None,
        cache_tokens: int | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> Self:
        """Load the checkpoint in `folder`, of either layout.

        On a CPU the compiled kernels are used where they were built and take the model's shape; `uses_kernels` False
        is torch alone, True insists. By size, `dtype` None chooses float32 or bfloat16 for torch, and `form` None how
        it holds the experts. `cache_tokens` limits the keys and values of all sequences together, those kept for later
        prompts included; None is what half of the memory holds that the weights leave.

        Experts that the memory does not hold are read as they are asked for; `on_notice` hears, before anything is
        loaded, how fast that can be. `expert_memory` is the most bytes that they may take, None as many as there are.
        `progress` hears how many bytes were read, of how many, from the threads that read.

        Raises:
            CheckpointError: if there is none, or it cannot be used.
            EngineError: if the memory does not hold the model, or the kernels are insisted on and cannot be used.
        """
        model, notices = load(
            folder,
            device=device,
            dtype=dtype,
            form=form,
            threads=threads,
            uses_kernels=uses_kernels,
            expert_memory=expert_memory,
            progress=progress,
            cache_tokens=cache_tokens,
            on_notice=on_notice,
        )
        fingerprint = Checkpoint.open(folder).fingerprint()
        return cls(model, name=Path(folder).name, threads=threads, notices=notices, fingerprint=fingerprint)

    def stream(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Collection[int],
        constraint: Constraint | None = None,
    ) -> "TorchStream":
        """Continue `ids` until one of `stop_ids` (which is yielded), the token limit, or the end of the context.

        What the `constraint` does not allow is never chosen, and where it allows one id the model is not asked.

        Raises:
            PromptTooLong: if `ids` fill the context, on the first step.
            EngineError: if `ids` are empty or foreign, on the first step, or if the engine is closed.
        """
        model = self._model
        if model is None:
            raise EngineError(f"engine {self.name!r} is closed; open another")
        ids = tuple(ids)

        def begin() -> Generation[Any]:
            return Generation(model, ids, sampling=sampling, stop_ids=stop_ids, constraint=constraint)

        return TorchStream(self._worker, begin, Usage(prompt=len(ids)))

    async def save_cache(self, ids: Sequence[int], path: Path | str) -> int:
        """Write the keys and values of the longest beginning of `ids` that is in memory; return how many ids it has.

        Streams go on meanwhile. For gpt-oss-20b it is 25 KB a token, and some MB for where the conversation can be
        rewound to. The file appears when it is whole, and is for `load_cache` on the same weights.

        Raises:
            EngineError: if nothing of `ids` is in memory, or the file cannot be written.
        """
        return await asyncio.to_thread(self._saver.save, ids, Path(path))

    async def load_cache(self, path: Path | str) -> int:
        """Read what `save_cache` wrote; prompts that begin with these ids go on from there. Return how many there are.

        Raises:
            EngineError: if the file cannot be read, is damaged or of another model, or does not fit the memory.
        """
        return await asyncio.to_thread(self._saver.load, Path(path))

    @property
    def has_kernels(self) -> bool:
        """Whether compiled kernels compute; `backend` is their kind (`amx`, `avx2`, …), or `torch`."""
        return self.backend != "torch"

    @property
    def held_tokens(self) -> int:
        """Count the tokens whose keys and values are in memory: those of streams, and what is kept for the next."""
        return self._worker.held_tokens

    @property
    def _saver(self) -> CacheSaver:
        if self._model is None:
            raise EngineError(f"engine {self.name!r} is closed; open another")
        return CacheSaver(self._worker, self._model, fingerprint=self._fingerprint)

    async def aclose(self) -> None:
        """Free the model once the step at work is done; streams still open then fail."""
        self._model = None
        await asyncio.to_thread(self._worker.close)


class TorchStream:
    """The ids of one generation; see TokenStream."""

    def __init__(self, worker: "_Worker", begin: Callable[[], Generation[Any]], usage: Usage) -> None:
        self.usage = usage
        self.logprobs: list[TokenLogprob] = []
        self.generation: Generation[Any] | None = None
        self.ahead = 0  # ids handed over that were not read
        self._worker = worker
        self._begin: Callable[[], Generation[Any]] | None = begin
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._ids: deque[int] = deque()
        self._logprobs: deque[TokenLogprob] = deque()
        self._is_over = False
        self._error: BaseException | None = None

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> int:
        """Return the next id. Cancelling the task that waits for it ends the generation."""
        if self._begin is not None:
            self._loop = asyncio.get_running_loop()
            begin, self._begin = self._begin, None
            self._worker.add(self, begin)
        try:
            while not self._ids and not self._is_over:
                self._arrived.clear()
                await self._arrived.wait()
        except BaseException:
            await self.aclose()
            raise
        if not self._ids:
            error, self._error = self._error, None
            raise error or StopAsyncIteration
        self.usage.sampled += 1
        number = self._ids.popleft()
        if self._logprobs:
            self.logprobs.append(self._logprobs.popleft())
        self._worker.count_ahead(self, -1)
        return number

    async def aclose(self) -> None:
        """End the generation and free what it holds, at the latest when the step being computed is done."""
        self._begin, self._is_over = None, True
        self._ids.clear()
        self._arrived.set()
        self._worker.remove(self)

    @property
    def is_wanting(self) -> bool:
        """Whether the reader has taken most of what there is; a prompt is read without the reader."""
        return self.ahead < _AHEAD or (self.generation is not None and self.generation.is_reading)

    def hand_over(
        self,
        ids: list[int],
        logprobs: Sequence[TokenLogprob] = (),
        *,
        is_over: bool,
        error: BaseException | None = None,
    ) -> None:
        """Give the reader what it waits for; called from the worker's thread."""
        self._worker.count_ahead(self, len(ids))
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._receive, ids, logprobs, is_over, error)
        except RuntimeError:
            self._worker.remove(self)  # the reader's event loop is gone

    def begun(self, generation: Generation[Any]) -> None:
        """Note that the generation is at work."""
        self.generation = generation

    def _receive(
        self, ids: list[int], logprobs: Sequence[TokenLogprob], is_over: bool, error: BaseException | None
    ) -> None:
        if not self._is_over:
            self._ids.extend(ids)
            self._logprobs.extend(logprobs)
            self._is_over, self._error = is_over, error
        self._arrived.set()


class _Worker:
    """The thread that computes: it takes what the streams ask for, steps, and hands over."""

    def __init__(self, model: Model[Any], *, name: str, threads: int | None) -> None:
        self._scheduler: Scheduler[Any] = Scheduler(model)
        self._model = model
        self._threads = threads
        self._condition = threading.Condition()
        self._orders: deque[Callable[[], None]] = deque()
        self._streams: list[TorchStream] = []
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"engine-{name}", daemon=True)
        self._thread.start()

    @property
    def held_tokens(self) -> int:
        """Count the tokens whose keys and values are in memory."""
        return self._scheduler.held_tokens

    def add(self, stream: TorchStream, begin: Callable[[], Generation[Any]]) -> None:
        """Serve a stream.

        Raises:
            EngineError: if the engine is closed.
        """
        with self._condition:
            if self._is_closed:
                raise EngineError("the engine was closed while it generated")
            self._order(lambda: self._add(stream, begin))

    def remove(self, stream: TorchStream) -> None:
        """Serve a stream no more."""
        with self._condition:
            self._order(lambda: self._remove(stream))

    def count_ahead(self, stream: TorchStream, change: int) -> None:
        """Note that ids were handed over, or that the reader took one; both threads count, so under the lock."""
        with self._condition:
            stream.ahead += change
            self._condition.notify()

    def call(self, action: "Callable[[Scheduler[Any]], T]") -> T:
        """Let the thread do something between two steps; return, or raise, what came of it.

        Raises:
            EngineError: if the engine is closed.
        """
        future: Future[T] = Future()

        def order() -> None:
            try:
                future.set_result(action(self._scheduler))
            except Exception as error:
                future.set_exception(error)

        with self._condition:
            if self._is_closed:
                raise EngineError("the engine was closed meanwhile; open another")
            self._order(order)
        return future.result()

    def close(self) -> None:
        """End the thread after the step at work."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join()

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        self._condition.notify()

    def _run(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._is_closed or self._orders or self._wanting())
                orders, self._orders = self._orders, deque()
                is_closed = self._is_closed
            for order in orders:
                order()
            if is_closed:
                break
            self._step(self._wanting())
        for stream in self._streams:
            stream.hand_over([], is_over=True, error=EngineError("the engine was closed while it generated"))
        self._scheduler.clear()
        self._model.close()

    def _wanting(self) -> list[TorchStream]:
        """Return the streams that can go on: they do not wait for memory, and their readers keep up."""
        waiting = self._scheduler.waiting
        return [each for each in self._streams if each.is_wanting and each.generation not in waiting]

    def _step(self, wanting: list[TorchStream]) -> None:
        generations = [stream.generation for stream in wanting if stream.generation is not None]
        if not generations:
            return
        try:
            self._scheduler.step(generations)
        except Exception as error:  # whatever it is, the readers must hear of it
            for stream in wanting:
                self._remove(stream)
                stream.hand_over([], is_over=True, error=error)
            return
        for stream in list(self._streams):
            self._hand_over(stream)

    def _hand_over(self, stream: TorchStream) -> None:
        generation = stream.generation
        if generation is None:
            return
        error = self._scheduler.failures.pop(generation, None)
        is_over = generation.is_finished or error is not None
        if not (generation.new_ids or is_over):
            return
        ids, generation.new_ids = generation.new_ids, []
        logprobs, generation.new_logprobs = generation.new_logprobs, []
        stream.usage.cached = generation.num_cached or 0
        if is_over:
            self._remove(stream)
        stream.hand_over(ids, logprobs, is_over=is_over, error=error)

    def _add(self, stream: TorchStream, begin: Callable[[], Generation[Any]]) -> None:
        try:
            generation = begin()
            self._scheduler.add(generation)
        except Exception as error:
            stream.hand_over([], is_over=True, error=error)
            return
        stream.begun(generation)
        self._streams.append(stream)
        self._hand_over(stream)

    def _remove(self, stream: TorchStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)
        if stream.generation is not None:
            self._scheduler.failures.pop(stream.generation, None)
            self._scheduler.remove(stream.generation)
