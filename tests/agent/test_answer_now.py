"""A run that is going on can be told to answer now, and an agent to reason more or less than before."""

import asyncio
import math
import threading
from pathlib import Path

import pytest
from tests.agent.test_steering import Recording, begins_with
from tests.agent.turns import ADD, ANSWER, THINK, add

from ostinato.agent.agent import Agent
from ostinato.agent.effort import Effort
from ostinato.agent.events import Event, Finished, ReasoningClosed, ReasoningDelta
from ostinato.agent.models import Model, load_model
from ostinato.agent.scripted import harmony_ids, scripted_engine
from ostinato.agent.trajectory import Trajectory, read_trajectory
from ostinato.engine import Sampling, ScriptedEngine
from ostinato.harmony import ReasoningEffort, SystemContent, render
from ostinato.harmony.grammar import Why
from ostinato.tools import Tool, tool

FINAL, ANALYSIS, PREAMBLE = "<|channel|>final", "<|channel|>analysis", "<|channel|>commentary<|message|>"
CALL = "<|channel|>commentary to=functions.hurry"


@pytest.fixture(scope="module")
def nano() -> Model:
    return load_model("nano")


def endless(model: Model) -> Sampling:
    """A sampling with which reasoning never ends by itself."""
    return Sampling(temperature=1, seed=5, max_tokens=3000, logit_bias={model.tokenizer.end: -math.inf})


def hurrying(agents: list[Agent]) -> Tool:
    """Make a tool that tells the agent to answer, from a thread of its own."""

    @tool
    def hurry() -> str:
        """Hurry."""
        thread = threading.Thread(target=agents[0].answer_now)
        thread.start()
        thread.join()
        return "Hurry!"

    return hurry


async def test_reasoning_that_would_go_on_is_ended_and_answered_and_recorded(nano: Model, tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(nano, sampling=endless(nano), analysis_limit=None, trajectory=trajectory)
        events: list[Event] = []
        async for event in agent.stream("What is 2 + 3?"):
            events.append(event)
            if sum(isinstance(each, ReasoningDelta) for each in events) == 20:
                assert agent.answer_now()

    (closed,) = [event for event in events if isinstance(event, ReasoningClosed)]
    assert closed.why == Why.ASKED
    assert 20 <= closed.tokens < 40  # the engine is a few ids ahead
    assert not [event for event in events[events.index(closed) :] if isinstance(event, ReasoningDelta)]
    assert isinstance(events[-1], Finished)
    assert agent.conversation[-1].channel == "final"
    assert events[-1].usage.reasoning == closed.tokens
    records = [record for record in read_trajectory(trajectory.path).records if record["type"] in ("asked", "closed")]
    assert [record["type"] for record in records] == ["asked", "closed"]
    assert (records[1]["why"], records[1]["tokens"]) == ("asked", closed.tokens)


async def test_the_answer_can_be_asked_for_from_another_task(nano: Model) -> None:
    agent, thinks = Agent(nano, sampling=endless(nano), analysis_limit=None), asyncio.Event()

    async def work() -> None:
        async for event in agent.stream("What is 2 + 3?"):
            if isinstance(event, ReasoningDelta):
                thinks.set()

    assert not agent.answer_now()
    working = asyncio.create_task(work())
    await thinks.wait()
    assert agent.answer_now()
    await working

    assert agent.conversation[-1].channel == "final"
    assert not agent.answer_now()


async def test_after_a_tool_only_the_answer_may_follow(tmp_path: Path) -> None:
    engine, agents = Recording(CALL + "<|message|>{}<|call|>", ANSWER, ANSWER), []
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(engine, tools=[hurrying(agents)], trajectory=trajectory)
        agents.append(agent)
        await agent.run("x", tool_choice="required")
        await agent.run("x")

    first, second, next_run = engine.constraints
    assert begins_with(first, CALL)
    assert [begins_with(second, text) for text in (FINAL, ANALYSIS)] == [True, False]
    assert begins_with(next_run, ANALYSIS)
    assert [record["type"] for record in read_trajectory(trajectory.path).records].count("asked") == 1


@pytest.mark.parametrize("begin", [ANALYSIS, PREAMBLE, CALL])
async def test_once_the_answer_is_asked_for_a_generation_cannot_begin_otherwise(begin: str) -> None:
    engine, agents = Recording(CALL + "<|message|>{}<|call|>", ANSWER), []
    agents.append(Agent(engine, tools=[hurrying(agents)]))

    await agents[0].run("x")

    assert not begins_with(engine.constraints[1], begin)


async def test_only_the_grammar_can_make_a_model_answer() -> None:
    agent = Agent(scripted_engine(ANSWER), is_constrained=False)
    stream = agent.stream("x")
    await anext(stream)

    with pytest.raises(ValueError, match="only the grammar ends reasoning; leave is_constrained True"):
        agent.answer_now()
    await stream.aclose()


async def test_limits_hold_in_every_generation_of_a_run_with_tools_and_are_recorded(tmp_path: Path) -> None:
    think = THINK.replace("Let me see.", "one two three")
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(
            scripted_engine(think + ADD, think + ANSWER), tools=[add], analysis_limit=3, trajectory=trajectory
        )
        events = [event async for event in agent.stream("x")]

    expected = [ReasoningClosed(why=Why.LIMIT, tokens=3)] * 2
    assert [event for event in events if isinstance(event, ReasoningClosed)] == expected
    closed = [record for record in read_trajectory(trajectory.path).records if record["type"] == "closed"]
    assert [(record["why"], record["tokens"]) for record in closed] == [("limit", 3)] * 2


async def test_a_loop_is_ended_recorded_and_the_run_goes_on_with_its_tools(tmp_path: Path) -> None:
    opening, rest = harmony_ids("<|channel|>analysis<|message|>"), harmony_ids("<|end|><|start|>assistant" + ADD)
    waits = harmony_ids(" wait") * (1280 - len(opening))  # then it is noticed, and one more would not be allowed
    engine = ScriptedEngine([[*opening, *waits, *rest], harmony_ids(ANSWER)])
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(engine, tools=[add], trajectory=trajectory)
        result = await agent.run("x")

    (closed,) = [record for record in read_trajectory(trajectory.path).records if record["type"] == "closed"]
    assert (closed["why"], closed["tokens"]) == ("loop", len(waits))
    assert (result.text, result.usage.reasoning) == ("It is 5.", len(waits))


# The effort.


def told(agent: Agent) -> ReasoningEffort | None:
    part = agent.conversation[0].content[0]
    assert isinstance(part, SystemContent)
    return part.reasoning_effort


async def test_an_effort_that_is_set_later_is_told_and_enforced_from_the_next_generation_on(tmp_path: Path) -> None:
    engine = Recording(ANSWER, ANSWER, ANSWER)
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(engine, trajectory=trajectory)
        await agent.run("x")
        agent.effort = "high"
        await agent.run("x")
        agent.effort = Effort.NONE
        await agent.run("x")

    recording = read_trajectory(trajectory.path)
    assert [begins_with(constraint, ANALYSIS) for constraint in engine.constraints] == [True, True, False]
    prompts = [agent.tokenizer.decode(prompt) for prompt in engine.prompts]
    assert ["Reasoning: medium" in prompts[0], "Reasoning: high" in prompts[1], "Reasoning: low" in prompts[2]] == [
        True
    ] * 3
    assert engine.prompts[2] == render(list(agent.conversation)[:-1], agent.tokenizer)
    changes = [record for record in recording.records if record["type"] == "effort"]
    assert [(record["effort"], record["analysis_limit"]) for record in changes] == [("high", 65536), ("none", 0)]
    assert recording.messages == list(agent.conversation)


def test_the_limit_follows_the_effort_unless_it_was_given() -> None:
    by_effort, given = Agent(scripted_engine()), Agent(scripted_engine(), analysis_limit=7)

    by_effort.effort = given.effort = "low"

    assert (by_effort.effort, by_effort.analysis_limit, told(by_effort)) == (Effort.LOW, 4096, ReasoningEffort.LOW)
    assert (given.analysis_limit, told(given)) == (7, ReasoningEffort.LOW)
    given.analysis_limit = None
    assert given.analysis_limit is None
    given.analysis_limit = "effort"
    assert given.analysis_limit == 4096


@pytest.mark.parametrize(("name", "value"), [("effort", "ultra"), ("analysis_limit", -1)])
def test_an_effort_or_limit_that_is_none_is_refused_and_changes_nothing(
    name: str, value: object, tmp_path: Path
) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(scripted_engine(), trajectory=trajectory)
        with pytest.raises(ValueError, match=f"^{name} is {value!r}; "):
            setattr(agent, name, value)
        agent.effort = agent.effort
        agent.analysis_limit = agent.analysis_limit

    assert (agent.effort, agent.analysis_limit, told(agent)) == (Effort.MEDIUM, 16384, ReasoningEffort.MEDIUM)
    assert [record["type"] for record in read_trajectory(trajectory.path).records] == ["run", "message"]


def test_without_the_grammar_an_effort_is_told_but_none_is_refused() -> None:
    agent = Agent(scripted_engine(), is_constrained=False)

    agent.effort = "high"
    with pytest.raises(ValueError, match="analysis_limit is 0, which needs the grammar; leave is_constrained True"):
        agent.effort = "none"

    assert (told(agent), agent.analysis_limit) == (ReasoningEffort.HIGH, None)


@pytest.mark.parametrize("engine", ["nano", None, 5])
def test_what_is_no_engine_is_refused_in_a_line(engine: object) -> None:
    with pytest.raises(TypeError, match=rf"^the engine is {engine!r}; give an engine, or a model: [^\n]+$"):
        Agent(engine)  # type: ignore[arg-type]
