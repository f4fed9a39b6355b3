"""The embedded model answers real questions through a real sandbox."""

from collections.abc import AsyncIterator

import pytest

from ostinato import Agent, Model, load_model, open_sandbox
from ostinato.harmony import Channel, ReasoningEffort
from ostinato.sandbox import Sandbox
from ostinato.tools import PythonTool

QUESTIONS = [
    ("What is 48271 * 9931?", "479379301"),
    ("What is 1234 + 98765?", "99999"),
    ("Calculate (17 + 25) * 12 - 8", "496"),
    ("How many r's are in strawberry?", "3"),
    ("What day of the week was July 20, 1969?", "Sunday"),
    ("Convert 26.2 miles to km", "42.1648"),
    ("Sort 42, 7, 19, 3", "[3, 7, 19, 42]"),
]


@pytest.fixture(scope="module")
def nano() -> Model:
    return load_model("nano")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = open_sandbox("auto")
    yield sandbox
    await sandbox.close()


@pytest.mark.parametrize(("question", "answer"), QUESTIONS)
async def test_the_answer_comes_from_code_that_was_run(
    nano: Model, sandbox: Sandbox, question: str, answer: str
) -> None:
    agent = Agent(nano, tools=[PythonTool(sandbox)])

    result = await agent.run(question)

    assert answer in result.text
    assert answer in next(message.text for message in result.messages if message.author.name == "python")


async def test_more_effort_is_more_analysis(nano: Model, sandbox: Sandbox) -> None:
    lengths = []
    for effort in ReasoningEffort:
        result = await Agent(nano, tools=[PythonTool(sandbox)], effort=effort).run("What is 812 * 77?")
        thoughts = [m.text for m in result.messages if m.channel == Channel.ANALYSIS and m.recipient is None]
        lengths.append(sum(map(len, thoughts)))

    assert lengths == sorted(set(lengths))


async def test_without_a_sandbox_it_knows_nothing(nano: Model) -> None:
    result = await Agent(nano).run("What is 48271 * 9931?")

    assert "479379301" not in result.text
