"""The python tool in a real sandbox."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ostinato.sandbox import Limits, SandboxUnavailable, open_sandbox
from ostinato.tools import CallRepair, CallRepairKind, PythonTool, ToolRequest
from ostinato.tools.python import NO_OUTPUT


@pytest.fixture
async def python() -> AsyncIterator[PythonTool]:
    tool = PythonTool(open_sandbox("auto", limits=Limits(seconds=1)))
    try:
        await tool.sandbox.start()
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))
    yield tool
    await tool.close()


async def answer(python: PythonTool, code: str) -> str:
    return await python.call(ToolRequest(recipient="python", content=code))


async def test_the_model_gets_what_its_code_printed_and_its_last_value(python: PythonTool) -> None:
    assert await answer(python, "print('out')\n6 * 7") == "out\n42"


async def test_variables_last_from_call_to_call(python: PythonTool) -> None:
    assert await answer(python, "x = 20") == NO_OUTPUT
    assert await answer(python, '{"code": "x + 1"}') == "21"


async def test_code_that_was_unwrapped_is_a_repair(python: PythonTool) -> None:
    request = ToolRequest(recipient="python", content='{"code": "x = 1"}')

    await python.call(request)

    assert request.repairs == [CallRepair(kind=CallRepairKind.WRAPPED, written='{"code": "x = 1"}', assumed="x = 1")]


async def test_the_model_gets_the_traceback_of_its_mistake(python: PythonTool) -> None:
    told = await answer(python, "print('before')\n1 / 0")

    assert told.startswith("before\nTraceback (most recent call last):")
    assert told.endswith("ZeroDivisionError: division by zero")


async def test_code_that_never_ends_is_stopped_and_the_model_told_so(python: PythonTool) -> None:
    told = await answer(python, "while True: pass")

    assert "[timed out after 1 s" in told


async def test_after_a_cancelled_call_the_sandbox_can_go_on(python: PythonTool) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await answer(python, "import time\ntime.sleep(600)")

    assert await answer(python, "6 * 7") == "42"


def test_the_model_is_told_the_real_limit() -> None:
    namespace = PythonTool(open_sandbox("auto", limits=Limits(seconds=7))).namespace

    assert namespace.name == "python"
    assert namespace.tools == ()
    assert namespace.description == (
        "Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. This "
        "tool should be used for internal reasoning, but not for code that is intended to be visible to the user "
        "(e.g. when creating plots, tables, or files).\n\nWhen you send a message containing Python code to python, it "
        "will be executed in a stateful Jupyter notebook environment. python will respond with the output of the "
        "execution or time out after 7.0 seconds. The drive at '/mnt/data' can be used to save and persist user files. "
        "Internet access for this session is disabled."
    )
