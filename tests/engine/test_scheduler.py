"""Many streams on one model, on the embedded one in kernels and in torch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.interface import EngineError, Sampling, Usage
from ostinato.engine.kernels.library import Form, best_library
from ostinato.engine.kernels.model import KernelModel
from ostinato.engine.nano import folder
from ostinato.engine.pages import PagePool
from ostinato.engine.torch_engine import TorchEngine

needs_kernels = pytest.mark.skipif(best_library() is None, reason="no kernels were built: there was no C++ compiler")
PROMPT = [(7 * index) % 2000 for index in range(300)]


@pytest.fixture(params=[pytest.param(True, marks=needs_kernels), False], ids=["kernels", "torch"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[TorchEngine]:
    engine = TorchEngine.open(folder(), threads=1, uses_kernels=request.param)
    yield engine
    await engine.aclose()


async def sampled_ids(engine: TorchEngine, prompt: Sequence[int], sampling: Sampling) -> list[int]:
    return [number async for number in engine.stream(prompt, sampling=sampling, stop_ids=())]


async def ids_of(engine: TorchEngine, prompt: Sequence[int], count: int = 30) -> tuple[list[int], Usage]:
    stream = engine.stream(prompt, sampling=Sampling(temperature=0.0, max_tokens=count), stop_ids=())
    return [number async for number in stream], stream.usage


@pytest.mark.parametrize("uses_kernels", [pytest.param(True, marks=needs_kernels), False], ids=["kernels", "torch"])
async def test_many_streams_get_what_each_would_get_alone(uses_kernels: bool) -> None:
    prompts = [[start, *PROMPT[: 10 + 25 * start]] for start in range(10)]
    crowd = TorchEngine.open(folder(), threads=1, uses_kernels=uses_kernels)

    together = await asyncio.gather(*(ids_of(crowd, prompt) for prompt in prompts))

    single = TorchEngine.open(folder(), threads=1, uses_kernels=uses_kernels)
    alone = [await ids_of(single, prompt) for prompt in prompts]
    assert [ids for ids, _ in together] == [ids for ids, _ in alone]
    await crowd.aclose()
    await single.aclose()


@pytest.mark.parametrize("uses_kernels", [pytest.param(True, marks=needs_kernels), False], ids=["kernels", "torch"])
async def test_a_seed_gives_the_same_ids_beside_others_and_with_any_number_of_threads(uses_kernels: bool) -> None:
    sampling = Sampling(seed=11, temperature=1.5, top_p=0.98, presence_penalty=0.2, max_tokens=60)
    found = []
    for threads, beside in ((1, 0), (1, 5), (2, 0), (2, 5)):
        engine = TorchEngine.open(folder(), threads=threads, uses_kernels=uses_kernels)
        others = [sampled_ids(engine, [start, *PROMPT], replace(sampling, seed=start)) for start in range(beside)]
        found.append((await asyncio.gather(sampled_ids(engine, PROMPT, sampling), *others))[0])
        await engine.aclose()

    assert found == [found[0]] * 4


async def test_a_long_prompt_does_not_hold_up_those_who_wait_for_their_next_id(engine: TorchEngine) -> None:
    stream = engine.stream([1, 2, 3], sampling=Sampling(temperature=0.0, max_tokens=500), stop_ids=())
    await anext(stream)
    reading = asyncio.create_task(ids_of(engine, PROMPT * 10, 1))

    ids_meanwhile = 0
    while not reading.done():
        await anext(stream)
        ids_meanwhile += 1

    assert ids_meanwhile > 10
    await stream.aclose()


async def test_the_next_turn_sees_only_what_is_new_though_the_reasoning_is_left_out(engine: TorchEngine) -> None:
    reasoning, _ = await ids_of(engine, PROMPT, 200)

    _, continued = await ids_of(engine, [*PROMPT, *reasoning, 5, 6])
    _, without = await ids_of(engine, [*PROMPT, 9, 9, 9])

    assert continued.cached == len(PROMPT) + len(reasoning) - 1
    assert without.cached == len(PROMPT)


async def test_streams_share_the_beginning_of_one_that_is_still_at_work(engine: TorchEngine) -> None:
    stream = engine.stream(PROMPT, sampling=Sampling(temperature=0.0), stop_ids=())
    await anext(stream)

    _, usage = await ids_of(engine, [*PROMPT, 1, 2])

    assert usage.cached == len(PROMPT)
    await stream.aclose()


async def test_streams_that_begin_alike_and_come_together_read_their_beginning_once(engine: TorchEngine) -> None:
    prompts = [[*PROMPT, *PROMPT, number, 3, 4, 5] for number in range(20)]

    together = await asyncio.gather(*(ids_of(engine, prompt) for prompt in prompts))

    first, *others = [usage.cached for _, usage in together]
    assert first == 0
    assert min(others) >= 512  # of 600; how much hangs on how far the first one was when they came
    _, usage = await ids_of(engine, [*PROMPT, *PROMPT, 100])
    assert usage.cached == 600


async def test_where_prompts_part_is_remembered_for_the_next_ones(engine: TorchEngine) -> None:
    cached = [(await ids_of(engine, [*PROMPT, *[number] * 600]))[1].cached for number in range(4)]

    assert cached == [0, 0, 288, 288]


async def test_the_same_prompt_again_is_not_read_again_however_long_the_answer_was(engine: TorchEngine) -> None:
    await ids_of(engine, PROMPT, 900)

    _, usage = await ids_of(engine, PROMPT)

    assert usage.cached == len(PROMPT) - 1


async def test_the_first_prompt_of_a_long_run_is_kept_for_when_its_reasoning_is_dropped(engine: TorchEngine) -> None:
    prompt = list(PROMPT)
    for turn in range(30):
        said, usage = await ids_of(engine, prompt, 40)
        assert turn == 0 or usage.cached == len(prompt) - 11
        prompt += [*said, *[turn] * 10]

    _, usage = await ids_of(engine, [*PROMPT, *[5] * 100])

    assert usage.cached == len(PROMPT)


@needs_kernels
async def test_a_prompt_that_can_never_fit_is_refused_at_once_and_disturbs_nobody() -> None:
    engine = small_engine(cache_tokens=320)
    stream = engine.stream(PROMPT[:100], sampling=Sampling(temperature=0.0, max_tokens=100), stop_ids=())
    await anext(stream)

    with pytest.raises(EngineError, match="the prompt has 600 tokens; the memory for keys and values holds 320"):
        await ids_of(engine, PROMPT * 2)

    assert len([number async for number in stream]) == 99
    await engine.aclose()


async def test_a_stream_whose_constraint_fails_fails_alone(engine: TorchEngine) -> None:
    class Broken:
        lark = ""

        def allowed(self) -> Sequence[int]:
            return (1, 2)

        def accept(self, number: int) -> None:
            raise ZeroDivisionError

    sampling = Sampling(temperature=0.0, max_tokens=50)
    broken = engine.stream(PROMPT, sampling=sampling, stop_ids=(), constraint=Broken())

    other, heard = await asyncio.gather(ids_of(engine, PROMPT[1:], 50), anext(broken), return_exceptions=True)

    assert isinstance(heard, ZeroDivisionError)
    assert not isinstance(other, BaseException)
    assert len(other[0]) == 50


@needs_kernels
async def test_streams_that_do_not_fit_the_memory_together_wait_for_each_other() -> None:
    prompts = [[start, *PROMPT] for start in range(6)]
    wide, narrow = small_engine(cache_tokens=4096), small_engine(cache_tokens=800)

    together = await asyncio.gather(*(ids_of(narrow, prompt, 100) for prompt in prompts))

    assert [ids for ids, _ in together] == [(await ids_of(wide, prompt, 100))[0] for prompt in prompts]
    await wide.aclose()
    await narrow.aclose()


@needs_kernels
async def test_a_stream_that_does_not_fit_the_memory_alone_says_so() -> None:
    engine = small_engine(cache_tokens=320)

    with pytest.raises(EngineError, match="does not fit the memory for keys and values; open the engine with more"):
        await ids_of(engine, PROMPT, 100)

    assert len((await ids_of(engine, PROMPT[:50]))[0]) == 30
    await engine.aclose()


@needs_kernels
async def test_streams_share_what_the_system_has_left_when_others_took_its_memory() -> None:
    checkpoint, library = Checkpoint.open(folder()), best_library()
    assert library is not None
    model = KernelModel(checkpoint.config, checkpoint, library=library, form=Form.BFLOAT16, threads=1)
    roomy, left = model._full, 100 * model._full.page_bytes  # for five of the sequences

    def has_room(size: int) -> bool:
        nonlocal left
        left -= size
        return left > 0

    model._full = PagePool(roomy.page_bytes, limit=roomy.limit, has_room=has_room)
    engine = TorchEngine(model)
    prompts = [[start, *PROMPT, *PROMPT] for start in range(24)]

    together = await asyncio.gather(*(ids_of(engine, prompt) for prompt in prompts))

    assert model._full.num_taken <= 96
    assert all(len(ids) == 30 for ids, _ in together)
    with pytest.raises(EngineError, match=r"does not fit the memory for keys and values; .* or free memory"):
        await ids_of(engine, PROMPT * 13, 10)
    assert len((await ids_of(engine, PROMPT))[0]) == 30
    await engine.aclose()


def small_engine(*, cache_tokens: int) -> TorchEngine:
    checkpoint, library = Checkpoint.open(folder()), best_library()
    assert library is not None
    model = KernelModel(
        checkpoint.config, checkpoint, library=library, form=Form.BFLOAT16, threads=1, cache_tokens=cache_tokens
    )
    return TorchEngine(model)
