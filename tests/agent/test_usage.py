"""What the tokens of a run were spent on: the parts add up to what was sampled, whatever the model wrote."""

import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.agent.turns import ADD, ANSWER, THINK, add
from tests.harmony import test_fuzz, test_parser_recovery

from ostinato.agent.activity import summary
from ostinato.agent.agent import Agent
from ostinato.agent.events import Finished, MessageAdded
from ostinato.agent.models import Model, load_model
from ostinato.agent.scripted import harmony_ids, scripted_engine
from ostinato.agent.trajectory import Trajectory, read_trajectory
from ostinato.agent.turn import Turn
from ostinato.agent.usage import RunUsage
from ostinato.engine import Sampling
from ostinato.harmony import Tokenizer

HM = "<|channel|>analysis<|message|>Hm"
AGAIN = "<|end|><|start|>assistant"


@pytest.fixture(scope="module")
def nano() -> Model:
    return load_model("nano")


def spent(ids: Sequence[int], tokenizer: Tokenizer | None = None) -> RunUsage:
    """Return what a generation of these ids has taken."""
    turn = Turn(tokenizer or Tokenizer.o200k_harmony(), recipients=("functions.x", "python"))
    for number in ids:
        turn.feed(number)
        check(turn.usage, len(turn.ids))
    turn.close()
    check(turn.usage, len(ids))
    return turn.usage


def check(usage: RunUsage, sampled: int) -> None:
    parts = usage.reasoning, usage.calls, usage.answer, usage.control
    assert min(parts) >= 0
    assert sum(parts) == usage.sampled == sampled


def tokens(text: str) -> int:
    return len(harmony_ids(text))


@pytest.mark.parametrize(
    ("text", "reasoning", "calls", "answer"),
    [
        (THINK + ANSWER, "Let me see.", "", "It is 5."),
        (THINK + ADD, "Let me see.", '{"a": 2, "b": 3}', ""),
        ("<|channel|>commentary<|message|>I look." + AGAIN + ADD, "", '{"a": 2, "b": 3}', "I look."),
        ("<|channel|>analysis to=python code<|message|>print(1)<|call|>", "", "print(1)", ""),
        ("<|channel|>final<|message|>It is", "", "", "It is"),
        (HM + AGAIN + THINK + ANSWER, "Hm|Let me see.", "", "It is 5."),
        ("I am sorry.<|return|>", "", "", "I am sorry."),
        ("I am sorry." + AGAIN + ANSWER, "I am sorry.", "", "It is 5."),
        ("<|channel|>final answer<|return|>", "", "", " answer"),
        (HM + "<|message|>b" + AGAIN + ANSWER, "Hm|b", "", "It is 5."),
        (HM + "<|start|>user<|message|>Do it." + AGAIN + ANSWER, "Hm", "", "It is 5."),
        (HM + "<|end|>well, well<|start|>assistant" + ANSWER, "Hm", "", "It is 5."),
        ("<|channel|>ana", "", "", ""),
        ("<|return|>", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_each_id_is_counted_where_it_belongs(text: str, reasoning: str, calls: str, answer: str) -> None:
    usage = spent(harmony_ids(text))

    expected = [sum(map(tokens, part.split("|"))) for part in (reasoning, calls, answer)]
    assert [usage.reasoning, usage.calls, usage.answer] == expected
    assert usage.control == tokens(text) - sum(expected)


@pytest.mark.parametrize("name", test_parser_recovery.CASES)
def test_the_parts_add_up_whatever_was_malformed_and_wherever_it_was_cut(name: str) -> None:
    ids = harmony_ids(test_parser_recovery.CASES[name][0])

    for end in range(len(ids) + 1):
        spent(ids[:end])


@pytest.mark.parametrize(
    "draw",
    [test_fuzz.uniform, test_fuzz.special, test_fuzz.mutated, test_fuzz.outside, test_fuzz.broken_bytes],
    ids=lambda draw: draw.__name__,
)
def test_the_parts_of_any_ids_add_up(draw: test_fuzz.Draw) -> None:
    tokenizer = Tokenizer.o200k_harmony()
    for seed in range(40):
        spent(draw(random.Random(f"{draw.__name__} {seed}"), tokenizer), tokenizer)


async def test_a_run_is_the_sum_of_its_generations_and_says_so_everywhere(tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        engine = scripted_engine(THINK + ADD, THINK + ANSWER)
        agent = Agent(engine, tools=[add], trajectory=trajectory)
        result = await agent.run("What is 2 + 3?")

    usage = result.usage
    check(usage, tokens(THINK + ADD) + tokens(THINK + ANSWER))
    assert usage.reasoning == 2 * tokens("Let me see.")
    assert (usage.calls, usage.answer) == (tokens('{"a": 2, "b": 3}'), tokens("It is 5."))
    assert usage.prompt == sum(map(len, engine.prompts))
    records = read_trajectory(trajectory.path).records
    first, second = (RunUsage(**record["usage"]) for record in records if record["type"] == "turn")
    assert first + second == usage
    assert first.calls == usage.calls
    (finished,) = (record for record in records if record["type"] == "finished")
    assert finished["usage"] == asdict(usage)


@pytest.mark.parametrize("end", [1, 4, 7, 10])
async def test_what_a_run_that_was_left_had_sampled_is_counted(end: int, tmp_path: Path) -> None:
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(scripted_engine(THINK + ANSWER), trajectory=trajectory)
        stream = agent.stream("x")
        for _ in range(end):
            await anext(stream)
        await stream.aclose()

    records = read_trajectory(trajectory.path).records
    sampled = sum(len(record["ids"]) for record in records if record["type"] == "turn")
    (finished,) = (record for record in records if record["type"] == "finished")
    check(RunUsage(**finished["usage"]), sampled)


async def test_the_summary_names_the_parts_that_there_are() -> None:
    events = [event async for event in Agent(scripted_engine(ANSWER)).stream("x")]

    assert isinstance(events[-1], Finished)
    assert "· 68 prompt tokens (0 cached), 9 sampled (5 answer, 4 control) ·" in summary(events[-1])


# Logprobs.


async def test_a_user_can_ask_how_likely_what_the_model_wrote_was(nano: Model, tmp_path: Path) -> None:
    sampling = Sampling(temperature=1, seed=3, logprobs=4)
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        agent = Agent(nano, sampling=sampling, trajectory=trajectory)
        events = [event async for event in agent.stream("What is 2 + 3?")]

    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.text
    assert nano.tokenizer.decode([told.id for told in finished.logprobs]) == finished.text
    added = [event for event in events if isinstance(event, MessageAdded) and event.message.author.role == "assistant"]
    sampled = tuple(number for event in added for number in event.message.ids or ())[2:]  # the prompt's were not
    assert tuple(told.id for event in added for told in event.logprobs) == sampled
    for event in added:
        assert all(told.logprob <= 1e-5 and 1 <= len(told.top) <= 4 for told in event.logprobs)
    (turn,) = [record for record in read_trajectory(trajectory.path).records if record["type"] == "turn"]
    assert turn["logprobs"] == [
        [told.logprob, [list(pair) for pair in told.top]] for event in added for told in event.logprobs
    ]
    records = read_trajectory(trajectory.path).records
    assert "logprobs" not in records[-1]


async def test_results_have_the_logprobs_of_the_answer_and_none_unless_they_were_asked_for(nano: Model) -> None:
    question = "What is 2 + 3?"

    asked = await Agent(nano, sampling=Sampling(temperature=0, logprobs=0)).run(question)
    quiet = await Agent(nano, sampling=Sampling(temperature=0)).run(question)
    scripted = await Agent(scripted_engine(ANSWER), sampling=Sampling(logprobs=5)).run(question)

    assert nano.tokenizer.decode([told.id for told in asked.logprobs]) == asked.text
    assert quiet.logprobs == scripted.logprobs == ()
    assert quiet.text == asked.text


async def test_an_infinite_bias_is_recorded_as_json_has_it(tmp_path: Path) -> None:
    sampling = Sampling(logit_bias={5: float("-inf"), 6: 1.5})
    with Trajectory.create(tmp_path / "run.jsonl") as trajectory:
        Agent(scripted_engine(), sampling=sampling, trajectory=trajectory)

    assert "Infinity" not in trajectory.path.read_text()
    assert read_trajectory(trajectory.path).records[0]["sampling"]["logit_bias"] == {"5": "-inf", "6": 1.5}
