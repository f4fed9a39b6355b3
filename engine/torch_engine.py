"""TorchEngine: a gpt-oss model in this process.

All computation runs in one worker thread, a step at a time, so that the event loop stays free and many streams take
turns. A stream runs at most two steps ahead of its reader. When it is cancelled, the step being computed is finished,
and the stream is gone.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import torch

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.experts import ExpertForm
from ostinato.engine.generation import Generation, KeptCache
from ostinato.engine.interface import Constraint, EngineError, Sampling, Usage
from ostinato.engine.layouts import tensor_shapes
from ostinato.engine.model import Transformer

Result = TypeVar("Result")

_AHEAD = 2  # steps handed to the worker before they are needed
_WIDE_LIMIT = 2**28  # weights outside the experts up to which float32 is used: 1 GiB


class TorchEngine:
    """Continues ids with a Transformer.

    `threads` sets how many cores torch uses here and in threads that begin later; None leaves that as it is. Small
    models are fastest with one.
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
        dtype: torch.dtype | None = None,
        form: ExpertForm | None = None,
        threads: int | None = None,
    ) -> Self:
        """Load the checkpoint in `folder`, of either layout.

        By size, `dtype` None chooses float32 or bfloat16, and `form` None how the experts are held.

        Raises:
            CheckpointError: if there is none, or it cannot be used.
        """
        checkpoint = Checkpoint.open(folder)
        dtype = dtype or _fitting_dtype(checkpoint.config)
        model = Transformer(checkpoint.config, checkpoint, device=device, dtype=dtype, form=form)
        return cls(model, name=Path(folder).name, threads=threads)

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
        if self._model is None:
            raise EngineError(f"engine {self.name!r} is closed; open another")
        begin = partial(
            Generation,
            self._model,
            tuple(ids),
            sampling=sampling,
            stop_ids=frozenset(stop_ids),
            kept=self._kept,
            constraint=constraint,
        )
        return TorchStream(self._worker, begin, Usage(prompt=len(ids)))

    @property
    def held_tokens(self) -> int:
        """Count the tokens whose keys and values are in memory: those of streams, and what is kept for the next."""
        return 0 if self._model is None else self._model.held_tokens

    async def aclose(self) -> None:
        """Free the model once the steps handed out are done; streams still open then fail."""
        self._model = None
        await asyncio.to_thread(self._worker.shutdown)
        self._kept.clear()


class TorchStream:
    """The ids of one generation; see TokenStream.

    Two steps are handed to the worker ahead of their use, so that it need not wait for the event loop between them.
    """

    def __init__(self, worker: ThreadPoolExecutor, begin: Callable[[], Generation], usage: Usage) -> None:
        self.usage = usage
        self._worker = worker
        self._begin: Callable[[], Generation] | None = begin
        self._generation: Generation | None = None
        self._steps: deque[Future[list[int]]] = deque()
        self._ids: deque[int] = deque()

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> int:
        """Return the next id. Cancelling the task that waits for it ends the generation."""
        try:
            return await self._next()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End the generation and free what it holds, at the latest when the step being computed is done."""
        self._begin = self._generation = None
        self._ids.clear()
        for step in self._steps:
            step.cancel()
        self._steps.clear()

    async def _next(self) -> int:
        if self._begin is not None:
            begin, self._begin = self._begin, None
            self._generation = await asyncio.wrap_future(self._submit(begin))
            self.usage.cached = self._generation.num_cached
        while not self._ids:
            self._hand_out_steps()
            if not self._steps:
                raise StopAsyncIteration
            chosen = await asyncio.wrap_future(self._steps.popleft())
            self._ids.extend(chosen)
        self.usage.sampled += 1
        return self._ids.popleft()

    def _hand_out_steps(self) -> None:
        if self._generation is None:
            return
        while len(self._steps) < _AHEAD and not self._generation.is_finished:
            self._steps.append(self._submit(self._generation.step))

    def _submit(self, step: Callable[[], Result]) -> "Future[Result]":
        """Queue a step behind those of other streams."""
        try:
            return self._worker.submit(step)
        except RuntimeError as error:
            raise EngineError("the engine was closed while it generated") from error


def _fitting_dtype(config: ModelConfig) -> torch.dtype:
    """Choose float32 for small models, which torch runs faster in it, and bfloat16 for those it would not fit."""
    shapes = tensor_shapes(config, is_packed=False)
    rest = sum(math.prod(shape) for name, shape in shapes.items() if ".experts." not in name)
    return torch.float32 if rest <= _WIDE_LIMIT else torch.bfloat16
