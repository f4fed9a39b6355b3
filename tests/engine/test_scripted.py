import asyncio

import pytest

from ostinato.engine import Engine, EngineError, Sampling, ScriptedEngine, TokenStream, Usage


async def test_turns_are_replayed_in_order_and_prompts_recorded() -> None:
    engine: Engine = (script := ScriptedEngine([[1, 2, 3], [4]]))

    first = [token async for token in engine.stream([10, 11], sampling=Sampling(), stop_ids=())]
    second = [token async for token in engine.stream([12], sampling=Sampling(), stop_ids=())]

    assert (first, second) == ([1, 2, 3], [4])
    assert script.prompts == [[10, 11], [12]]


async def test_usage_is_up_to_date_at_each_id() -> None:
    stream: TokenStream = ScriptedEngine([[1, 2]]).stream([10, 11, 12], sampling=Sampling(), stop_ids=())

    assert stream.usage == Usage(prompt=3)
    await anext(stream)
    assert stream.usage == Usage(prompt=3, sampled=1)


async def test_a_turn_ends_at_a_stop_id_and_at_the_token_limit() -> None:
    engine = ScriptedEngine([[1, 2, 3], [1, 2, 3]])

    stopped = [token async for token in engine.stream([0], sampling=Sampling(), stop_ids={2})]
    limited = [token async for token in engine.stream([0], sampling=Sampling(max_tokens=1), stop_ids=())]

    assert (stopped, limited) == ([1, 2], [1])


async def test_a_script_that_runs_out_says_so() -> None:
    engine = ScriptedEngine([[1]])
    engine.stream([0], sampling=Sampling(), stop_ids=())

    with pytest.raises(EngineError, match="the script has 1 turns; prompt 2 finds none left"):
        engine.stream([0], sampling=Sampling(), stop_ids=())

    assert engine.prompts == [[0]]


async def test_a_closed_stream_yields_nothing_more() -> None:
    stream = ScriptedEngine([[1, 2]]).stream([0], sampling=Sampling(), stop_ids=())
    await anext(stream)

    await stream.aclose()

    assert [token async for token in stream] == []


async def test_a_waiting_task_can_be_cancelled() -> None:
    async def consume() -> None:
        async for _ in ScriptedEngine([[1] * 1000]).stream([0], sampling=Sampling(), stop_ids=()):
            pass

    task = asyncio.create_task(consume())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_constraint_is_told_what_is_said_and_no_more() -> None:
    class Told:
        lark = ""

        def __init__(self) -> None:
            self.ids: list[int] = []

        def allowed(self) -> tuple[int, ...]:
            return (7,)

        def accept(self, number: int) -> None:
            self.ids.append(number)

    told = Told()
    stream = ScriptedEngine([[1, 2, 3, 4]]).stream([0], sampling=Sampling(), stop_ids={3}, constraint=told)

    assert [await anext(stream), await anext(stream)] == [1, 2]
    assert told.ids == [1, 2]
    assert [token async for token in stream] == [3]
    assert told.ids == [1, 2, 3]
