import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytest_asyncio
import torch
from torch import Tensor

from ostinato.engine import (
    Allowed,
    CheckpointError,
    Constraint,
    Engine,
    EngineError,
    PromptTooLong,
    Sampling,
    Usage,
    reference,
)
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kv_cache import KVCache
from ostinato.engine.model import Transformer
from ostinato.engine.sampler import Sampler
from ostinato.engine.torch_engine import TorchEngine

GREEDY = Sampling(temperature=0, max_tokens=12)


@pytest_asyncio.fixture
async def engine(config: ModelConfig, tensors: Mapping[str, Tensor]) -> AsyncIterator[TorchEngine]:
    engine = TorchEngine(Transformer(config, tensors), name="tiny")
    yield engine
    await engine.aclose()


async def ids_of(
    engine: Engine,
    prompt: list[int],
    sampling: Sampling = GREEDY,
    stop_ids: set[int] | None = None,
    constraint: Constraint | None = None,
) -> list[int]:
    stream = engine.stream(prompt, sampling=sampling, stop_ids=stop_ids or (), constraint=constraint)
    return [token async for token in stream]


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


class Script:
    """A constraint that allows one thing after the other."""

    lark = ""

    def __init__(self, *steps: Allowed) -> None:
        self.steps = steps
        self.accepted: list[int] = []

    def allowed(self) -> Allowed:
        return self.steps[len(self.accepted)] if len(self.accepted) < len(self.steps) else ()

    def accept(self, number: int) -> None:
        self.accepted.append(number)


ALL = np.full(13, 255, dtype=np.uint8)
LOW = np.packbits(np.arange(97) < 9, bitorder="little")


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(seed=3, max_tokens=12)], ids=["greedy", "seeded"])
async def test_a_constraint_that_allows_everything_changes_nothing(
    sampling: Sampling, engine: TorchEngine, prompt: list[int]
) -> None:
    free = await ids_of(engine, prompt, sampling)

    assert await ids_of(engine, prompt, sampling, constraint=Script(*[ALL] * 12)) == free
    assert await ids_of(engine, prompt, sampling, constraint=Script(*[tuple(range(97))] * 12)) == free


@pytest.mark.parametrize("few", [LOW, tuple(range(8, -1, -1))], ids=["bits", "ids"])
@pytest.mark.parametrize("seed", [None, 5])
async def test_what_is_not_allowed_is_never_chosen(
    few: Allowed, seed: int | None, config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]
) -> None:
    model = Transformer(config, tensors)
    engine = TorchEngine(model)
    sampling = Sampling(temperature=0 if seed is None else 1, seed=seed, max_tokens=6)

    chosen = await ids_of(engine, prompt, sampling, constraint=Script(*[few] * 6))

    sampler, ids = Sampler(sampling, vocab_size=97), list(prompt)
    for _ in range(6):
        logits = model.logits(model.advance(ids, model.new_cache())[-1:])
        ids.append(sampler.choose(logits[0, :9].numpy())[0])
    assert chosen == ids[len(prompt) :]
    await engine.aclose()


@pytest.mark.parametrize("few", [LOW, tuple(range(9))], ids=["bits", "ids"])
@pytest.mark.parametrize("filters", [{"top_k": 1}, {"top_p": 0.001}, {"min_p": 1.0}], ids=str)
async def test_filters_choose_among_what_is_allowed(
    few: Allowed, filters: dict[str, Any], engine: TorchEngine, prompt: list[int]
) -> None:
    likeliest = await ids_of(engine, prompt, constraint=Script(*[few] * 12))

    filtered = await ids_of(engine, prompt, Sampling(seed=1, max_tokens=12, **filters), constraint=Script(*[few] * 12))

    assert filtered == likeliest


async def test_what_is_forced_is_not_computed_but_read_in_one_step(
    config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]
) -> None:
    class Counting(Transformer):
        read: ClassVar[list[int]] = []
        heads: ClassVar[list[int]] = []

        def advance(self, ids: list[int], cache: KVCache) -> Tensor:
            self.read.append(len(ids))
            return super().advance(ids, cache)

        def logits(self, x_TD: Tensor, *, rows: Sequence[int] | None = None) -> Tensor:  # noqa: N803
            self.heads.append(97 if rows is None else len(rows))
            return super().logits(x_TD, rows=rows)

    engine = TorchEngine(Counting(config, tensors))
    constraint = Script([5], [6], ALL, [7], [8], [9], (10, 11), [12], [13])

    stream = engine.stream(prompt, sampling=GREEDY, stop_ids={13}, constraint=constraint)
    ids = [token async for token in stream]

    assert [*ids[:2], *ids[3:6], *ids[7:]] == [5, 6, 7, 8, 9, 12, 13]
    assert constraint.accepted == ids
    assert stream.usage.sampled == 9
    assert Counting.read == [42, 4]
    assert Counting.heads == [97, 2]
    assert await ids_of(engine, [*prompt, *ids, 1]) == await fresh_ids(config, tensors, [*prompt, *ids, 1])
    await engine.aclose()


async def test_a_constraint_is_asked_once_for_each_id(engine: TorchEngine, prompt: list[int]) -> None:
    class Asked(Script):
        times = 0

        def allowed(self) -> Allowed:
            self.times += 1
            return super().allowed()

    constraint = Asked([5], ALL, LOW, (3, 1, 2), [7], ALL)

    assert len(await ids_of(engine, prompt, constraint=constraint)) == 6
    assert constraint.times == 7  # at the end nothing is left


@pytest.mark.parametrize("few", [LOW, tuple(range(9))], ids=["bits", "ids"])
@pytest.mark.parametrize(
    "settings",
    [{"logit_bias": {4: 100, 30: 100}}, {"logit_bias": {4: float("inf"), 30: float("inf")}}],
    ids=["bias", "exclusive"],
)
async def test_a_bias_chooses_among_what_is_allowed(
    few: Allowed, settings: dict[str, Any], engine: TorchEngine, prompt: list[int]
) -> None:
    sampling = Sampling(max_tokens=3, **settings)

    assert await ids_of(engine, prompt, sampling, constraint=Script(*[few] * 3)) == [4, 4, 4]
    assert set(await ids_of(engine, prompt, sampling)) <= {4, 30}


@pytest.mark.parametrize("few", [LOW, tuple(range(9)), None], ids=["bits", "ids", "free"])
async def test_penalties_keep_ids_from_coming_again(
    few: "Allowed | None", engine: TorchEngine, prompt: list[int]
) -> None:
    constraint = None if few is None else Script([2], *[few] * 8)
    sampling = Sampling(temperature=0, presence_penalty=2, frequency_penalty=2, repetition_penalty=1e6, max_tokens=9)

    ids = await ids_of(engine, [1] * 40, sampling, constraint=constraint)

    assert len(set(ids)) == 9


async def test_a_bias_beyond_the_vocabulary_is_refused_on_the_first_step(engine: TorchEngine) -> None:
    with pytest.raises(EngineError, match="logit_bias names id 97; the vocabulary has 97"):
        await ids_of(engine, [1, 2], Sampling(logit_bias={97: 1}))


async def test_a_stream_tells_how_likely_each_id_was_when_it_is_read(engine: TorchEngine, prompt: list[int]) -> None:
    constraint = Script([5], ALL, LOW, (3, 1, 2), [7], ALL)
    sampling = Sampling(seed=2, temperature=0.7, logprobs=4)

    stream = engine.stream(prompt, sampling=sampling, stop_ids=(), constraint=constraint)
    ids = []
    async for number in stream:
        ids.append(number)
        assert [told.id for told in stream.logprobs] == ids

    assert [len(told.top) for told in stream.logprobs] == [1, 4, 4, 3, 1, 4]
    assert [told.logprob for told in stream.logprobs if len(told.top) == 1] == [0, 0]
    assert all(told.logprob <= told.top[0][1] <= 0 for told in stream.logprobs)


async def test_logprobs_are_those_of_the_reference(folder: Path, prompt: list[int]) -> None:
    engine, checkpoint = TorchEngine.open(folder), Checkpoint.open(folder)

    stream = engine.stream(prompt, sampling=Sampling(seed=1, max_tokens=4, logprobs=5), stop_ids=())
    ids = [number async for number in stream]

    for index, told in enumerate(stream.logprobs):
        expected = reference.forward(checkpoint.config, checkpoint, [*prompt, *ids[:index]])[-1].log_softmax(dim=-1)
        assert told.logprob == pytest.approx(float(expected[ids[index]]), abs=2e-3)
        assert [number for number, _ in told.top] == expected.topk(5).indices.tolist()
    await engine.aclose()


async def test_a_stream_that_was_not_asked_has_no_logprobs(engine: TorchEngine, prompt: list[int]) -> None:
    stream = engine.stream(prompt, sampling=GREEDY, stop_ids=())

    assert len([number async for number in stream]) == 12
    assert stream.logprobs == []


async def test_a_generation_that_is_forced_from_beginning_to_end_never_asks_the_model(engine: TorchEngine) -> None:
    assert await ids_of(engine, [1, 2], stop_ids={3}, constraint=Script([4], [3])) == [4, 3]
    assert engine.held_tokens == 0


async def test_forced_ids_count_against_the_token_limit(engine: TorchEngine) -> None:
    assert len(await ids_of(engine, [1, 2], constraint=Script(*[[4]] * 50))) == 12


async def test_a_generation_ends_where_nothing_is_allowed(engine: TorchEngine, prompt: list[int]) -> None:
    assert await ids_of(engine, prompt, constraint=Script([4], ())) == [4]
    assert len(await ids_of(engine, prompt)) == 12


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


async def test_cancelling_the_task_ends_the_generation_and_keeps_what_it_has_seen(
    engine: TorchEngine, prompt: list[int]
) -> None:
    stream = engine.stream(prompt * 10, sampling=Sampling(seed=0), stop_ids=())  # long, so that no id is there yet
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await rest(engine)
    held = engine.held_tokens
    assert held <= 410
    await rest(engine)
    assert engine.held_tokens == held
    assert [token async for token in stream] == []


async def test_a_long_prompt_can_be_given_up(engine: TorchEngine, prompt: list[int]) -> None:
    waiting = asyncio.create_task(anext(engine.stream(prompt * 25, sampling=GREEDY, stop_ids=())))
    await asyncio.sleep(0)
    await ids_of(engine, [1], Sampling(max_tokens=1))  # takes its turn between two pieces of the long prompt

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await rest(engine)

    assert 1 < engine.held_tokens < len(prompt) * 25


async def test_a_stream_that_was_closed_is_not_read_again_if_the_next_prompt_goes_on_from_it(
    engine: TorchEngine, prompt: list[int]
) -> None:
    stream = engine.stream(prompt, sampling=Sampling(seed=0), stop_ids=())
    await anext(stream)

    await stream.aclose()

    assert [token async for token in stream] == []
    await rest(engine)
    next_stream = engine.stream([*prompt, 1], sampling=GREEDY, stop_ids=())
    await anext(next_stream)
    assert next_stream.usage.cached == len(prompt)


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


async def test_a_stream_that_begins_as_the_engine_closes_hears_of_it(
    config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int]
) -> None:
    for _ in range(20):
        engine = TorchEngine(Transformer(config, tensors))
        waiting = asyncio.create_task(anext(engine.stream(prompt * 20, sampling=GREEDY, stop_ids=())))
        await asyncio.sleep(0)

        await engine.aclose()

        (heard,) = await asyncio.wait_for(asyncio.gather(waiting, return_exceptions=True), 30)
        assert isinstance(heard, EngineError)


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
