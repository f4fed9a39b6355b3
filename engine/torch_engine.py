"""TorchEngine: a gpt-oss model in this process.

All computation runs in one worker thread, a step at a time, so that the event loop stays free and many streams take
turns. A stream computes only when its next id is awaited; a step that was begun is finished, then a cancelled stream is
gone.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import torch

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.experts import ExpertForm
from ostinato.engine.generation import Generation, KeptCache
from ostinato.engine.interface import EngineError, Sampling, Usage
from ostinato.engine.model import Transformer

Result = TypeVar("Result")


class TorchEngine:
    """Continues ids with a Transformer.

    `threads` sets how many cores torch uses, in the whole process; None leaves that as it is. Small models are fastest
    with one.
    """

    def __init__(self, model: Transformer, *, name: str = "torch", threads: int | None = None) -> None:
        self.name = name
        self.vocab_size = model.config.vocab_size
        self.context_length = model.config.context_length
        self._model: Transformer | None = model
        self._kept = KeptCache()
        prepare = partial(torch.set_num_threads, threads) if threads is not None else None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"engine-{name}", initializer=prepare)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        form: ExpertForm | None = None,
        threads: int | None = None,
    ) -> Self:
        """Load the checkpoint in `folder`, of either layout; `form` None chooses by size how experts are held.

        Raises:
            CheckpointError: if there is none, or it cannot be used.
        """
        checkpoint = Checkpoint.open(folder)
        model = Transformer(checkpoint.config, checkpoint, device=device, dtype=dtype, form=form)
        return cls(model, name=Path(folder).name, threads=threads)

    def stream(self, ids: Sequence[int], *, sampling: Sampling, stop_ids: Collection[int]) -> "TorchStream":
        """Continue `ids` until one of `stop_ids` (which is yielded), the token limit, or the end of the context.

        Raises:
            PromptTooLong: if `ids` fill the context, on the first step.
            EngineError: if `ids` are empty or foreign, on the first step, or if the engine is closed.
        """
        if self._model is None:
            raise EngineError(f"engine {self.name!r} is closed; open another")
        begin = partial(
            Generation, self._model, tuple(ids), sampling=sampling, stop_ids=frozenset(stop_ids), kept=self._kept
        )
        return TorchStream(self._worker, begin)

    async def aclose(self) -> None:
        """Free the model once the step being computed is done; streams still open fail."""
        self._model = None
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
        self._kept.clear()


class TorchStream:
    """The ids of one generation; see TokenStream."""

    def __init__(self, worker: ThreadPoolExecutor, begin: Callable[[], Generation]) -> None:
        self.usage = Usage()
        self._worker = worker
        self._begin: Callable[[], Generation] | None = begin
        self._generation: Generation | None = None

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> int:
        """Return the next id. Cancelling the task that waits for it ends the generation."""
        try:
            token = await self._next()
        except BaseException:
            await self.aclose()
            raise
        if token is None:
            await self.aclose()
            raise StopAsyncIteration
        return token

    async def aclose(self) -> None:
        """End the generation and free what it holds, at the latest when the step being computed is done."""
        self._begin = self._generation = None

    async def _next(self) -> int | None:
        """Return the next id, or None at the end."""
        if self._begin is not None:
            begin, self._begin = self._begin, None
            self._generation = await self._compute(begin)
            self.usage = self._generation.usage
        token = None
        while token is None and self._generation is not None and not self._generation.is_finished:
            token = await self._compute(self._generation.step)
        return token

    async def _compute(self, step: Callable[[], Result]) -> Result:
        """Run a step in the worker thread, after those of other streams."""
        try:
            computed = asyncio.get_running_loop().run_in_executor(self._worker, step)
        except RuntimeError as error:
            raise EngineError("the engine was closed while it generated") from error
        return await computed
