import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio
import torch
from torch import Tensor

from ostinato.engine import CheckpointError, Engine, EngineError, PromptTooLong, Sampling, Usage, reference
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kv_cache import KVCache
from ostinato.engine.model import Transformer
from ostinato.engine.torch_engine import TorchEngine

GREEDY = Sampling(temperature=0, max_tokens=12)


@pytest_asyncio.fixture
async def engine(config: ModelConfig, tensors: Mapping[str, Tensor]) -> AsyncIterator[TorchEngine]:
    engine = TorchEngine(Transformer(config, tensors), name="tiny")
    yield engine
    await engine.aclose()


async def ids_of(
    engine: Engine, prompt: list[int], sampling: Sampling = GREEDY, stop_ids: set[int] | None = None
) -> list[int]:
    return [token async for token in engine.stream(prompt, sampling=sampling, stop_ids=stop_ids or ())]


async def test_a_checkpoint_is_opened_and_continued_as_the_reference_would(folder: Path, prompt: list[int]) -> None:
    engine = TorchEngine.open(folder)
    checkpoint = Checkpoint.open(folder)

    sampled = await ids_of(engine, prompt, replace(GREEDY, max_tokens=5))

    ids = list(prompt)
    for _ in range(5):
        ids.append(int(reference.forward(checkpoint.config, checkpoint, ids)[-1].argmax()))
    assert sampled == ids[len(prompt) :]
    assert (engine.name, engine.vocab_size, engine.context_length) == (folder.name, 97, 1024)
    await engine.aclose()


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        TorchEngine.open(tmp_path)


async def test_the_stop_id_is_yielded_and_nothing_after_it(engine: TorchEngine, prompt: list[int]) -> None:
    free = await ids_of(engine, prompt)
    stop = free[4]

    assert await ids_of(engine, prompt, stop_ids={stop}) == free[: free.index(stop) + 1]


async def test_a_generation_ends_at_the_token_limit(engine: TorchEngine, prompt: list[int]) -> None:
    assert len(await ids_of(engine, prompt)) == 12
    assert await ids_of(engine, prompt, Sampling(max_tokens=0)) == []


async def test_a_generation_ends_at_the_end_of_the_context(
    config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]
) -> None:
    engine = TorchEngine(Transformer(replace(config, context_length=47), tensors))

    assert len(await ids_of(engine, prompt, Sampling(seed=0))) == 7
    assert len(await ids_of(engine, prompt + [1] * 6, Sampling(seed=0))) == 1
    with pytest.raises(PromptTooLong, match="the prompt has 47 tokens; the context holds 47, answer included"):
        await ids_of(engine, prompt + [1] * 7)
    await engine.aclose()


@pytest.mark.parametrize(
    ("ids", "complaint"), [([], "the prompt is empty"), ([1, 97], "no id 97 in a vocabulary of 97"), ([-1], "no id -1")]
)
async def test_an_impossible_prompt_is_refused_on_the_first_step(
    ids: list[int], complaint: str, engine: TorchEngine
) -> None:
    stream = engine.stream(ids, sampling=GREEDY, stop_ids=())

    with pytest.raises(EngineError, match=complaint):
        await anext(stream)


async def test_a_seed_makes_a_generation_repeatable(engine: TorchEngine, prompt: list[int]) -> None:
    first, again, other = [await ids_of(engine, prompt, Sampling(seed=seed, max_tokens=30)) for seed in (1, 1, 2)]

    assert first == again
    assert first != other


async def test_usage_is_up_to_date_at_each_id(engine: TorchEngine, prompt: list[int]) -> None:
    stream = engine.stream(prompt, sampling=GREEDY, stop_ids=())
    assert stream.usage == Usage(prompt=40)

    counts = [stream.usage.sampled async for _ in stream]

    assert counts == list(range(1, 13))


async def test_streams_at_the_same_time_do_not_touch_each_other(engine: TorchEngine, prompt: list[int]) -> None:
    prompts = [prompt[start:] for start in range(6)]
    samplings = [Sampling(seed=seed, max_tokens=20) for seed in range(6)]
    alone = [await ids_of(engine, ids, sampling) for ids, sampling in zip(prompts, samplings, strict=True)]

    together = await asyncio.gather(*map(ids_of, [engine] * 6, prompts, samplings))

    assert list(together) == alone


async def test_the_event_loop_runs_while_the_engine_computes(engine: TorchEngine, prompt: list[int]) -> None:
    generation = asyncio.create_task(ids_of(engine, prompt * 20))
    turns = 0
    while not generation.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 100


async def test_cancelling_the_task_ends_the_generation_and_frees_its_cache(
    engine: TorchEngine, prompt: list[int]
) -> None:
    stream = engine.stream(prompt, sampling=Sampling(seed=0), stop_ids=())
    await anext(stream)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await rest(engine)
    assert engine.held_tokens == 0
    assert [token async for token in stream] == []


async def test_a_long_prompt_can_be_given_up(engine: TorchEngine, prompt: list[int]) -> None:
    waiting = asyncio.create_task(anext(engine.stream(prompt * 25, sampling=GREEDY, stop_ids=())))
    await asyncio.sleep(0)
    await ids_of(engine, [1], Sampling(max_tokens=1))  # takes its turn between two pieces of the long prompt

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await rest(engine)

    assert engine.held_tokens == 1  # the other generation's, kept


async def test_closing_a_stream_frees_its_cache(engine: TorchEngine, prompt: list[int]) -> None:
    stream = engine.stream(prompt, sampling=Sampling(seed=0), stop_ids=())
    await anext(stream)

    await stream.aclose()

    assert [token async for token in stream] == []
    await rest(engine)
    assert engine.held_tokens == 0


async def test_a_conversation_that_goes_on_is_not_read_again(
    engine: TorchEngine, config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]
) -> None:
    answer = await ids_of(engine, prompt)
    longer = [*prompt, *answer, 5, 6, 7]

    stream = engine.stream(longer, sampling=GREEDY, stop_ids=())
    continued = [token async for token in stream]

    assert stream.usage.cached == len(prompt) + len(answer) - 1
    assert continued == await fresh_ids(config, tensors, longer)


async def test_a_prompt_that_parts_from_the_last_one_keeps_what_they_share(
    engine: TorchEngine, config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]
) -> None:
    await ids_of(engine, prompt)
    other = [*prompt[:30], (prompt[30] + 1) % 97, 3]

    stream = engine.stream(other, sampling=GREEDY, stop_ids=())

    assert [token async for token in stream] == await fresh_ids(config, tensors, other)
    assert stream.usage.cached == 30


async def test_the_same_prompt_again_leaves_one_token_to_compute(engine: TorchEngine, prompt: list[int]) -> None:
    first = await ids_of(engine, prompt)

    stream = engine.stream(prompt, sampling=GREEDY, stop_ids=())

    assert [token async for token in stream] == first
    assert stream.usage.cached == 39


async def test_a_prompt_is_read_afresh_where_the_windows_have_moved_on(
    engine: TorchEngine, config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]
) -> None:
    await ids_of(engine, prompt * 20)
    other = [*prompt, 3]

    stream = engine.stream(other, sampling=GREEDY, stop_ids=())

    assert [token async for token in stream] == await fresh_ids(config, tensors, other)
    assert stream.usage.cached == 0


async def test_a_closed_engine_says_so(config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]) -> None:
    engine = TorchEngine(Transformer(config, tensors), name="tiny")
    stream = engine.stream(prompt, sampling=GREEDY, stop_ids=())
    await anext(stream)

    await engine.aclose()
    await engine.aclose()  # a second time changes nothing

    with pytest.raises(EngineError, match="engine 'tiny' is closed; open another"):
        engine.stream(prompt, sampling=GREEDY, stop_ids=())
    with pytest.raises(EngineError, match="the engine was closed while it generated"):
        [token async for token in stream]
    assert engine.held_tokens == 0


async def test_the_number_of_threads_is_set_where_it_computes(
    config: ModelConfig, tensors: Mapping[str, Tensor]
) -> None:
    class Counting(Transformer):
        counts: ClassVar[set[int]] = set()

        def advance(self, ids: list[int], cache: KVCache) -> Tensor:
            self.counts.add(torch.get_num_threads())
            return super().advance(ids, cache)

    engine = TorchEngine(Counting(config, tensors), threads=3)
    await ids_of(engine, [1])
    await engine.aclose()

    assert Counting.counts == {3}
    assert torch.get_num_threads() == 1
    torch.set_num_threads(1)  # for threads that begin later


async def fresh_ids(config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]) -> list[int]:
    engine = TorchEngine(Transformer(config, tensors))
    ids = await ids_of(engine, prompt)
    await engine.aclose()
    return ids


async def rest(engine: TorchEngine) -> None:
    """Wait until the worker has done all that was handed to it."""
    await ids_of(engine, [1], Sampling(max_tokens=0))
