"""The toolbox reaches the tool that was meant, and builds every reply."""

import pytest

from ostinato.harmony import Author, Channel, Message, Role, ToolDescription, ToolNamespace
from ostinato.tools import CallRepair, Toolbox, ToolError, ToolRequest, is_call


class Shout:
    """A tool of its own, as python is."""

    name = "shout"
    namespace = ToolNamespace(name="shout", description="Shouts.")

    def __init__(self) -> None:
        self.is_closed = False

    async def call(self, request: ToolRequest) -> str:
        if not request.content:
            raise ToolError("there is nothing to shout; write a text")
        return request.content.upper()

    async def close(self) -> None:
        self.is_closed = True


class Library:
    """A tool with functions, as browser is."""

    name = "library"
    namespace = ToolNamespace(
        name="library",
        tools=(ToolDescription(name="find", description="Find."), ToolDescription(name="open", description="Open.")),
    )

    async def call(self, request: ToolRequest) -> str:
        return f"{request.function} {request.content} {request.content_type}"

    async def close(self) -> None:
        pass


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def subtract(a: int, b: int) -> int:
    """Subtract."""
    return a - b


def call_to(recipient: str, content: str = "x", *, channel: str = Channel.ANALYSIS) -> Message:
    return Message.assistant(content, channel=channel, recipient=recipient, content_type="code")


async def test_the_reply_comes_from_the_recipient_on_the_channel_of_the_call() -> None:
    answer = await Toolbox([Shout()]).answer(call_to("shout", "hi"))

    assert answer.reply == Message(
        author=Author(role=Role.TOOL, name="shout"), content=("HI",), channel="analysis", recipient="assistant"
    )
    assert answer.repairs == ()


async def test_what_follows_the_name_of_a_tool_is_its_function() -> None:
    answer = await Toolbox([Library()]).answer(call_to("library.find", "q"))

    assert answer.reply.text == "find q code"
    assert answer.reply.author.name == "library.find"


async def test_a_plain_function_is_a_tool_in_the_namespace_functions() -> None:
    toolbox = Toolbox([add, subtract, Shout()])

    answer = await toolbox.answer(call_to("functions.add", '{"a": 2, "b": 3}', channel=Channel.COMMENTARY))

    assert answer.reply.text == "5"
    assert answer.reply.author.name == "functions.add"
    assert answer.reply.channel == "commentary"
    assert [namespace.name for namespace in toolbox.system_namespaces] == ["shout"]
    (functions,) = toolbox.function_namespaces
    assert [each.name for each in functions.tools] == ["add", "subtract"]


@pytest.mark.parametrize(
    ("written", "assumed"),
    [
        ("functions.shout", "shout"),
        ("function.shout", "shout"),
        ("add", "functions.add"),
        ("function.add", "functions.add"),
        ("functions.functions.add", "functions.add"),
        ("functions.library.find", "library.find"),
        ("shout.loud", "shout"),
        ("functions.shout.loud", "shout"),
    ],
)
async def test_a_recipient_with_a_wrong_prefix_is_read_as_it_was_meant_and_says_so(written: str, assumed: str) -> None:
    answer = await Toolbox([Shout(), Library(), add]).answer(call_to(written, '{"a": 1, "b": 1}'))

    assert answer.reply.author.name == assumed
    assert not answer.reply.text.startswith("error")
    assert answer.repairs == (CallRepair(written=written, assumed=assumed),)


async def test_an_unknown_tool_is_answered_with_the_tools_there_are() -> None:
    answer = await Toolbox([Shout(), Library(), add]).answer(call_to("nobody"))

    assert (
        answer.reply.text == "error: no tool named 'nobody'; there is shout, library.find, library.open, functions.add"
    )
    assert answer.reply.author.name == "nobody"


@pytest.mark.parametrize("written", ["library", "library.burn", "functions", "functions.", "", ".", "find"])
async def test_a_recipient_that_could_mean_several_things_is_unknown(written: str) -> None:
    answer = await Toolbox([Library(), add]).answer(call_to(written))

    assert answer.reply.text == f"error: no tool named {written!r}; there is library.find, library.open, functions.add"


async def test_without_tools_an_unknown_tool_is_told_so() -> None:
    answer = await Toolbox().answer(call_to("python"))

    assert answer.reply.text == "error: no tool named 'python'; there are no tools"


async def test_a_tool_error_is_told_to_the_model() -> None:
    answer = await Toolbox([Shout()]).answer(call_to("shout", ""))

    assert answer.reply.text == "error: there is nothing to shout; write a text"


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tools are named 'shout'"):
        Toolbox([Shout(), Shout()])


async def test_closing_the_toolbox_closes_its_tools() -> None:
    shout = Shout()

    await Toolbox([shout]).close()

    assert shout.is_closed


@pytest.mark.parametrize("recipient", [None, "all", "user", "assistant", "system", "developer", "user:bob"])
def test_what_is_said_to_a_role_is_no_call(recipient: str | None) -> None:
    assert not is_call(Message.assistant("x", channel="commentary", recipient=recipient))


def test_only_the_assistant_calls() -> None:
    assert is_call(call_to("shout"))
    assert not is_call(Message.tool("x", name="shout", channel="commentary", recipient="shout"))
