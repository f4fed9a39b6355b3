"""Whoever stops a run, and wherever: nothing is left open, and the agent can go on."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from tests.agent.turns import ADD, ANSWER, THINK, Check, add

from ostinato.agent.agent import Agent
from ostinato.agent.budget import Budget, Spent
from ostinato.agent.events import (
    Event,
    MessageAdded,
    Reason,
    ReasoningDelta,
    ToolFinished,
    ToolStarted,
)
from ostinato.agent.scripted import harmony_ids, scripted_engine
from ostinato.agent.trajectory import Trajectory, read_trajectory
from ostinato.engine.interface import TokenStream, Usage
from ostinato.engine.scripted import ScriptedEngine
from ostinato.tools import tool


async def test_a_defect_of_a_tool_is_raised_and_leaves_a_conversation_that_can_go_on(can_go_on: Check) -> None:
    @tool
    def broken() -> str:
        raise ZeroDivisionError("a defect")

    call = "<|channel|>commentary to=functions.broken<|message|>{}<|call|>"
    agent = Agent(scripted_engine(call, ANSWER), tools=[broken])

    with pytest.raises(ZeroDivisionError):
        await agent.run("x")

    assert agent.conversation[-1].text == "error: no result: ZeroDivisionError: a defect"
    assert (await agent.run("y")).reason == Reason.ANSWERED
    assert can_go_on(agent)


async def test_a_cancelled_tool_call_is_closed_and_the_agent_can_go_on(can_go_on: Check) -> None:
    started = asyncio.Event()

    @tool
    async def wait() -> str:
        started.set()
        await asyncio.Event().wait()
        return ""

    agent = Agent(scripted_engine("<|channel|>commentary to=functions.wait<|message|>{}<|call|>", ANSWER), tools=[wait])
    task = asyncio.create_task(agent.run("x"))
    await started.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert agent.conversation[-1].text == "error: no result: interrupted"
    assert agent.conversation[-1].author.name == "functions.wait"
    assert (await agent.run("y")).text == "It is 5."
    assert can_go_on(agent)


class WaitsForEver(ScriptedEngine):
    """An engine that stops answering in the middle of its first turn."""

    def __init__(self, turns: Sequence[Sequence[int]]) -> None:
        super().__init__(turns)
        self.waits = asyncio.Event()
        self.is_closed = False

    def stream(self, ids: Sequence[int], **settings: Any) -> TokenStream:  # type: ignore[override]
        stream = super().stream(ids, **settings)
        return Waiting(stream, self) if len(self.prompts) == 1 else stream


class Waiting:
    def __init__(self, ids: AsyncIterator[int], engine: WaitsForEver) -> None:
        self.usage = Usage()
        self._ids = ids
        self._engine = engine

    def __aiter__(self) -> "Waiting":
        return self

    async def __anext__(self) -> int:
        async for number in self._ids:
            return number
        self._engine.waits.set()
        await asyncio.Event().wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._engine.is_closed = True


@pytest.mark.parametrize("said", ["<|channel|>final<|message|>It i", ADD.removesuffix("<|call|>"), "<|channel|>an"])
async def test_a_cancelled_generation_frees_the_engine_and_keeps_what_was_said(said: str, can_go_on: Check) -> None:
    engine = WaitsForEver([harmony_ids(said)])
    agent = Agent(engine, tools=[add])
    task = asyncio.create_task(agent.run("x"))
    await engine.waits.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert engine.is_closed
    assert can_go_on(agent)


async def test_time_that_runs_out_in_a_generation_ends_the_run_with_what_was_said() -> None:
    engine = WaitsForEver([harmony_ids("<|channel|>final<|message|>It is")])

    result = await Agent(engine, budget=Budget(seconds=0.05)).run("x")

    assert (result.reason, result.spent, result.text) == (Reason.BUDGET, Spent.SECONDS, "It is")
    assert engine.is_closed


async def until(agent: Agent, stop: Callable[[Event], bool]) -> None:
    async with aclosing(agent.stream("x")) as events:
        async for event in events:
            if stop(event):
                break


@pytest.mark.parametrize("kind", [MessageAdded, ReasoningDelta, ToolStarted, ToolFinished])
async def test_a_reader_that_stops_reading_leaves_an_agent_that_can_go_on(kind: type[Event], can_go_on: Check) -> None:
    agent = Agent(scripted_engine(THINK + ADD, ANSWER, ANSWER), tools=[add])

    await until(agent, lambda event: isinstance(event, kind))

    assert can_go_on(agent)
    assert (await agent.run("y")).text == "It is 5." or kind is MessageAdded


async def test_a_run_that_waits_for_a_tool_when_another_begins_adds_nothing_more(can_go_on: Check) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    @tool
    async def wait() -> str:
        started.set()
        await release.wait()
        return "too late"

    agent = Agent(scripted_engine("<|channel|>commentary to=functions.wait<|message|>{}<|call|>", ANSWER), tools=[wait])
    first = asyncio.create_task(agent.run("x"))
    await started.wait()

    later = await agent.run("y")
    release.set()

    with pytest.raises(RuntimeError, match="an agent of its own"):
        await first
    assert later.text == "It is 5."
    assert agent.conversation[-1].text == "It is 5."
    assert can_go_on(agent)


async def test_a_run_whose_time_is_up_after_another_began_ends_only_itself(can_go_on: Check, tmp_path: Path) -> None:
    engine = WaitsForEver([[], harmony_ids(ANSWER)])
    trajectory = Trajectory.create(tmp_path / "t.jsonl")
    agent = Agent(engine, budget=Budget(seconds=0.05), trajectory=trajectory)
    first = asyncio.create_task(agent.run("x"))
    await engine.waits.wait()
    later = agent.stream("y")
    await anext(later)

    with pytest.raises(RuntimeError, match="an agent of its own"):
        await first

    assert read_trajectory(trajectory.path).records[-1]["type"] == "message"
    assert [event async for event in later]
    trajectory.close()
    assert can_go_on(agent)


async def test_a_tool_that_fails_as_it_is_stopped_disturbs_nobody(can_go_on: Check) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))

    @tool
    async def wait() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("it was already closed")

    call = "<|channel|>commentary to=functions.wait<|message|>{}<|call|>"
    agent = Agent(scripted_engine(call), tools=[wait], budget=Budget(seconds=0.05))

    result = await agent.run("x")
    gc.collect()

    assert (result.reason, complaints) == (Reason.BUDGET, [])
    assert can_go_on(agent)


async def test_two_runs_at_once_on_one_agent_are_refused_and_the_later_one_is_done(can_go_on: Check) -> None:
    agent = Agent(scripted_engine(ANSWER, ANSWER))
    first = agent.stream("x")
    assert isinstance(await anext(first), MessageAdded)

    later = await agent.run("y")

    with pytest.raises(RuntimeError, match="an agent of its own"):
        async for _ in first:
            pass
    assert later.text == "It is 5."
    assert can_go_on(agent)
