"""What a reader of stderr sees of an agent's work."""

import io

import pytest
from rich.console import Console

from ostinato.agent.activity import CHARACTERS_SHOWN, LINES_SHOWN, Activity
from ostinato.agent.events import Event, Repaired, ToolFinished, ToolStarted
from ostinato.harmony import Message, Repair, RepairKind
from ostinato.tools import CallRepair, CallRepairKind


def shown(event: Event) -> str:
    console = Console(file=io.StringIO(), width=100)
    Activity(console).show(event)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def answered(text: str) -> ToolFinished:
    request = Message.assistant("", channel="commentary", recipient="python")
    reply = Message.tool(text, name="python", channel="commentary")
    return ToolFinished(request=request, tool="python", reply=reply, seconds=0.1)


def test_a_tool_is_called_as_the_user_named_it() -> None:
    request = Message.assistant("{}", channel="commentary", recipient="functions.get_weather")

    assert "functions.get-weather ◀" in shown(ToolStarted(request=request, tool="functions.get-weather"))


def test_many_lines_are_shortened() -> None:
    text = shown(answered("\n".join(map(str, range(1000)))))

    assert f"{LINES_SHOWN - 1} " in text
    assert f"… {1000 - LINES_SHOWN} more lines; the trajectory has them" in text
    assert text.count("\n") < LINES_SHOWN + 5


def test_a_line_without_end_is_shortened() -> None:
    text = shown(answered("x" * 1_000_000))

    assert text.count("x") == CHARACTERS_SHOWN
    assert f"… {1_000_000 - CHARACTERS_SHOWN} more characters; the trajectory has them" in text


@pytest.mark.parametrize(
    ("repair", "line"),
    [
        (Repair(kind=RepairKind.MISSING_CHANNEL, position=3, assumed="final"), "repaired: missing channel → final\n"),
        (CallRepair(written="functions.python", assumed="python"), "repaired: functions.python → python\n"),
        (
            CallRepair(kind=CallRepairKind.BARE_TEXT, written="ls", assumed='{"command": "ls"}'),
            'repaired: arguments (bare text) → {"command": "ls"}\n',
        ),
    ],
)
def test_a_repair_is_a_line_that_says_what_was_made_of_what(repair: Repair | CallRepair, line: str) -> None:
    assert shown(Repaired(repair=repair)) == line
