"""A run's record: complete up to the last moment, exact enough to replay."""

import json
from pathlib import Path

import pytest

from ostinato.agent.agent import Agent
from ostinato.agent.events import ToolFinished
from ostinato.agent.scripted import harmony_ids, scripted_engine
from ostinato.agent.trajectory import FORMAT, Trajectory, read_trajectory
from ostinato.engine.scripted import ScriptedEngine
from ostinato.harmony import Tokenizer
from ostinato.tools import Toolbox, tool

CALL = '<|channel|>commentary to=functions.shout <|constrain|>json<|message|>{"text": "hé"}<|call|>'
ANSWER = "<|channel|>final<|message|>HÉ<|return|>"


@tool
def shout(text: str) -> str:
    """Shout."""
    return text.upper()


async def record(path: Path) -> Agent:
    with Trajectory.create(path) as trajectory:
        agent = Agent(scripted_engine(CALL, ANSWER), tools=[shout], instructions="Loud.", trajectory=trajectory)
        await agent.run("Shout hé")
    return agent


async def test_a_run_read_back_is_the_conversation_it_was(tmp_path: Path) -> None:
    agent = await record(tmp_path / "run.jsonl")

    recording = read_trajectory(tmp_path / "run.jsonl")

    assert recording.messages == list(agent.conversation)
    assert recording.reason == "answered"
    assert recording.turns == [harmony_ids(CALL), harmony_ids(ANSWER)]


async def test_the_first_record_says_what_was_run_and_how(tmp_path: Path) -> None:
    await record(tmp_path / "run.jsonl")

    first = read_trajectory(tmp_path / "run.jsonl").records[0]

    assert first["type"] == "run"
    assert (first["engine"], first["vocabulary"], first["effort"]) == ("scripted", "o200k_harmony", "medium")
    assert first["fingerprint"] == Tokenizer.o200k_harmony().fingerprint
    assert first["sampling"]["temperature"] == 1.0
    assert first["tools"] == ["functions.shout"]


async def test_a_choice_of_tools_is_recorded(tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(scripted_engine(CALL, ANSWER), tools=[shout], trajectory=trajectory)
        await agent.run("Shout hé", tool_choice="required")

    records = read_trajectory(tmp_path / "run.jsonl").records
    assert [record["tool_choice"] for record in records if record["type"] == "choice"] == ["required"]


async def test_a_recorded_run_replays_to_the_same_conversation(tmp_path: Path) -> None:
    recorded = await record(tmp_path / "run.jsonl")
    turns = read_trajectory(tmp_path / "run.jsonl").turns

    replayed = Agent(ScriptedEngine(turns), tools=[shout], instructions="Loud.")
    await replayed.run("Shout hé")

    assert list(replayed.conversation) == list(recorded.conversation)


async def test_every_record_is_on_disk_before_the_reader_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Trajectory.create(path) as trajectory:
        agent = Agent(scripted_engine(CALL, ANSWER), tools=[shout], trajectory=trajectory)
        async for _ in agent.stream("Shout hé"):
            assert read_trajectory(path).messages == list(agent.conversation)


async def test_a_line_torn_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    await record(path)
    content = path.read_bytes()

    for end in range(len(content) - 300, len(content)):
        path.write_bytes(content[:end])
        assert len(read_trajectory(path).records) == content[:end].count(b"\n")


async def test_a_run_that_was_left_says_interrupted(tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(scripted_engine(CALL, ANSWER), tools=[shout], trajectory=trajectory)
        stream = agent.stream("x")
        await anext(stream)
        await stream.aclose()

    assert read_trajectory(tmp_path / "run.jsonl").reason == "interrupted"


async def test_repairs_are_recorded(tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        await Agent(scripted_engine(ANSWER.replace("<|message|>", " ")), trajectory=trajectory).run("x")

    kinds = [record["type"] for record in read_trajectory(tmp_path / "run.jsonl").records]
    assert "repair" in kinds


async def test_all_that_a_tool_said_is_recorded_and_reported_if_the_model_got_only_a_part(tmp_path: Path) -> None:
    tools = Toolbox([shout], reply_chars=10)
    long = CALL.replace("hé", "hé" * 20)
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(scripted_engine(long, ANSWER), tools=tools, trajectory=trajectory)
        events = [event async for event in agent.stream("x")]

    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    (record,) = [each for each in read_trajectory(tmp_path / "run.jsonl").records if each["type"] == "tool"]
    assert finished.full_text == record["full_text"] == "HÉ" * 20
    assert "30 characters cut" in finished.reply.text


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.jsonl"
    Trajectory.create(path).close()

    with pytest.raises(FileExistsError):
        Trajectory.create(path)


RUN = json.dumps({"type": "run", "format": FORMAT})


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["x"],
        ["[]"],
        ["{}"],
        ["[" * 100_000],
        [json.dumps({"type": "run", "format": "other"})],
        [RUN, '"type"'],
        [RUN, "{}"],
        [RUN, '{"type": "turn"}'],
        [RUN, '{"type": "turn", "ids": "abc"}'],
        [RUN, '{"type": "message", "message": {}}'],
    ],
)
def test_another_file_is_no_trajectory_and_one_line_says_so(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))

    with pytest.raises(ValueError, match=r"other\.jsonl is not a trajectory: .") as raised:
        read_trajectory(path)

    assert "\n" not in str(raised.value)


def test_harmony_text_becomes_special_tokens() -> None:
    tokenizer = Tokenizer.o200k_harmony()

    assert harmony_ids("<|call|>") == [tokenizer.call]
    assert tokenizer.encode("<|call|>") != [tokenizer.call]


async def test_text_that_is_no_unicode_is_recorded_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Trajectory.create(path) as trajectory:
        agent = Agent(scripted_engine(CALL.replace("hé", r"\ud800"), ANSWER), tools=[shout], trajectory=trajectory)
        await agent.run("half a pair: \udc00")

    assert [message.text for message in read_trajectory(path).messages] == [each.text for each in agent.conversation]
