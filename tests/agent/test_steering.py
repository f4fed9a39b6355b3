"""The grammar in the loop: who may be called, how long may be reasoned, what the answer is made of."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from ostinato.agent.agent import Agent
from ostinato.agent.effort import BY_EFFORT, Effort, limit_of
from ostinato.agent.events import Event, MessageAdded, Reason, ReasoningClosed
from ostinato.agent.models import Model, load_model
from ostinato.agent.scripted import harmony_ids, scripted_engine
from ostinato.agent.trajectory import Trajectory, read_trajectory
from ostinato.engine import Constraint, ScriptedEngine
from ostinato.engine.interface import Sampling
from ostinato.harmony import ReasoningEffort, ResponseFormat, SystemContent
from ostinato.harmony.grammar import Why
from ostinato.tools import tool

THINK = "<|channel|>analysis<|message|>one two three<|end|><|start|>assistant"
ANSWER = "<|channel|>final<|message|>It is 5.<|return|>"
ADD = '<|channel|>commentary to=functions.add <|constrain|>json<|message|>{"a": 2, "b": 3}<|call|>'
SUM = ResponseFormat(
    name="sum",
    schema={
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": False,
    },
)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Recording(ScriptedEngine):
    """A scripted engine that keeps the constraints it was given."""

    def __init__(self, *turns: str) -> None:
        super().__init__([harmony_ids(turn) for turn in turns])
        self.constraints: list[Constraint | None] = []

    def stream(self, ids: Sequence[int], *, constraint: Constraint | None = None, **settings):  # type: ignore[no-untyped-def,override]
        self.constraints.append(constraint)
        return super().stream(ids, **settings)


@pytest.fixture(scope="module")
def nano() -> Model:
    return load_model("nano")


def begins_with(constraint: Constraint | None, text: str) -> bool:
    """Whether a generation may begin like this."""
    assert constraint is not None
    for number in harmony_ids(text):
        if number not in constraint.allowed():
            return False
        constraint.accept(number)
    return True


async def events_of(agent: Agent, text: str = "x") -> list[Event]:
    return [event async for event in agent.stream(text)]


async def test_every_generation_is_constrained_to_the_tools_there_are() -> None:
    engine = Recording(ADD, ANSWER)

    await Agent(engine, tools=[add]).run("x")

    assert len(engine.constraints) == 2
    assert begins_with(engine.constraints[0], "<|channel|>commentary to=functions.add")
    assert not begins_with(engine.constraints[1], "<|channel|>commentary to=functions.sub")


async def test_without_the_grammar_no_engine_gets_a_constraint() -> None:
    engine = Recording(ANSWER)

    assert (await Agent(engine, is_constrained=False).run("x")).text == "It is 5."
    assert engine.constraints == [None]


async def test_a_required_call_is_required_until_it_is_made() -> None:
    engine = Recording(ADD, ANSWER)

    await Agent(engine, tools=[add]).run("x", tool_choice="required")

    first, second = engine.constraints
    assert not begins_with(first, "<|channel|>final")
    assert begins_with(second, "<|channel|>final")


async def test_calls_that_are_forbidden_are_forbidden_for_the_whole_run_only() -> None:
    engine = Recording(ANSWER, ANSWER)
    agent = Agent(engine, tools=[add])

    await agent.run("x", tool_choice="none")
    await agent.run("x")

    assert [begins_with(constraint, "<|channel|>commentary") for constraint in engine.constraints] == [False, True]


async def test_a_tool_can_be_chosen_by_its_name() -> None:
    @tool
    def sub(a: int, b: int) -> int:
        """Subtract two numbers."""
        return a - b

    engine = Recording(ADD, ANSWER)

    await Agent(engine, tools=[add, sub]).run("x", tool_choice="sub")

    begin = "<|channel|>commentary to=functions."
    assert begins_with(engine.constraints[0], begin + "sub")
    assert begins_with(engine.constraints[1], begin + "add")


@pytest.mark.parametrize("choice", ["required", "shell"])
async def test_a_choice_that_cannot_be_is_refused_before_anything_is_done(choice: str) -> None:
    agent = Agent(scripted_engine(ANSWER))

    with pytest.raises(ValueError, match=f"^tool_choice is '{choice}'; give auto, none, required or a tool"):
        await agent.run("x", tool_choice=choice)
    with pytest.raises(ValueError, match="which needs the grammar; leave is_constrained True"):
        await Agent(scripted_engine(ANSWER), is_constrained=False).run("x", tool_choice="none")

    assert len(agent.conversation) == 1
    assert (await agent.run("x")).text == "It is 5."


async def test_32_reasoning_that_reaches_its_limit_is_closed_and_said(tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(scripted_engine(THINK + ANSWER), analysis_limit=3, trajectory=trajectory)
        events = await events_of(agent)

    at = events.index(ReasoningClosed(why=Why.LIMIT, tokens=3))
    thought = next(event for event in events if isinstance(event, MessageAdded) and event.message.channel == "analysis")
    assert events.index(thought) == at - 1
    (record,) = [record for record in read_trajectory(trajectory.path).records if record["type"] == "closed"]
    assert (record["why"], record["tokens"]) == ("limit", 3)


async def test_a_replay_closes_what_was_closed(nano: Model, tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        events = await events_of(Agent(nano, analysis_limit=2, trajectory=trajectory), "What is 2 + 3?")
    replayed = await events_of(Agent(load_model(f"replay:{trajectory.path}"), analysis_limit=2))

    closed = [event for event in events if isinstance(event, ReasoningClosed)]
    assert closed == [ReasoningClosed(why=Why.LIMIT, tokens=2)]
    assert [event for event in replayed if isinstance(event, ReasoningClosed)] == closed


async def test_reasoning_that_ends_by_itself_is_not_said_to_be_closed() -> None:
    events = await events_of(Agent(scripted_engine(THINK + ANSWER), analysis_limit=4))

    assert not [event for event in events if isinstance(event, ReasoningClosed)]


async def test_an_engine_that_ignores_the_grammar_is_read_as_it_comes() -> None:
    unknown = "<|channel|>thoughts<|message|>" + "well " * 50 + "<|end|><|start|>assistant"

    result = await Agent(scripted_engine(unknown + THINK + ANSWER), analysis_limit=2).run("x")

    assert (result.reason, result.text) == (Reason.ANSWERED, "It is 5.")


async def test_45_effort_none_is_no_reasoning_at_all() -> None:
    engine = Recording(ANSWER)
    agent = Agent(engine, effort="none")

    await agent.run("x")

    told = agent.conversation[0].content[0]
    assert isinstance(told, SystemContent)
    assert told.reasoning_effort == ReasoningEffort.LOW
    assert not begins_with(engine.constraints[0], "<|channel|>analysis")


def test_45_each_effort_has_its_limit_of_reasoning() -> None:
    limits = [Agent(scripted_engine(), effort=effort).analysis_limit for effort in Effort]

    assert limits == [0, 4096, 16384, 65536]
    assert Agent(scripted_engine(), analysis_limit=7).analysis_limit == 7
    assert Agent(scripted_engine(), analysis_limit=None).analysis_limit is None
    assert limit_of(BY_EFFORT, Effort.LOW) == 4096
    with pytest.raises(ValueError, match="analysis_limit is -1; it must be 0"):
        Agent(scripted_engine(), analysis_limit=-1)
    with pytest.raises(ValueError, match="analysis_limit is 'off'; it must be 0"):
        Agent(scripted_engine(), analysis_limit="off")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="effort is 'ultra'; there is none, low, medium, high"):
        Agent(scripted_engine(), effort="ultra")


def test_only_the_grammar_limits_reasoning() -> None:
    assert Agent(scripted_engine(), is_constrained=False).analysis_limit is None

    with pytest.raises(ValueError, match="analysis_limit is 7, which needs the grammar; leave is_constrained True"):
        Agent(scripted_engine(), is_constrained=False, analysis_limit=7)
    with pytest.raises(ValueError, match="analysis_limit is 0, which needs the grammar; leave is_constrained True"):
        Agent(scripted_engine(), is_constrained=False, effort="none")


async def test_the_model_is_told_the_shape_of_its_answer_and_held_to_it() -> None:
    engine = Recording('<|channel|>final<|message|>{"sum": 5}<|return|>')
    agent = Agent(engine, response_format=SUM)

    result = await agent.run("x")

    assert json.loads(result.text) == {"sum": 5}
    assert "# Response Formats\n\n## sum" in agent.tokenizer.decode(engine.prompts[0])
    answer = harmony_ids("<|channel|>final <|constrain|>json<|message|>")
    constraint = engine.constraints[0]
    assert constraint is not None
    for number in answer:
        constraint.accept(number)
    assert not set(harmony_ids("It Five")) & set(constraint.allowed())


async def test_a_schema_that_cannot_be_enforced_is_said() -> None:
    odd = ResponseFormat(name="odd", schema={"type": "object", "properties": {"a": {"type": "whatever"}}})

    (notice,) = Agent(scripted_engine(), response_format=odd).grammar.notices  # type: ignore[union-attr]

    assert notice.startswith("the answer: the schema cannot be enforced, only that it is an object")


async def test_the_embedded_model_calls_what_it_must_and_reasons_no_longer_than_it_may(nano: Model) -> None:
    @tool
    def turn(light: Literal["on", "off"]) -> str:
        """Turn the light on or off."""
        return f"The light is {light}."

    agent = Agent(nano, tools=[add, turn], analysis_limit=2, sampling=Sampling(temperature=1, seed=1, max_tokens=500))

    events = [event async for event in agent.stream("Turn on the light.", tool_choice="turn")]

    replies = [message.text for message in agent.conversation if message.author.role == "tool"]
    assert replies[0] in ("The light is on.", "The light is off.")
    assert ReasoningClosed(why=Why.LIMIT, tokens=2) in events


async def test_the_embedded_model_answers_in_json_if_it_must(nano: Model) -> None:
    parts = {"properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}
    shape = ResponseFormat(name="yes", schema={"type": "object", **parts})

    result = await Agent(nano, response_format=shape, effort="none").run("Is 7 prime?")

    assert result.reason == Reason.ANSWERED
    assert json.loads(result.text)["yes"] in (True, False)
