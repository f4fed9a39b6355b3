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


class Named:
    """A tool with any name, and functions with any names."""

    def __init__(self, name: str, *functions: str) -> None:
        self.name = name
        self.namespace = ToolNamespace(
            name=name, tools=tuple(ToolDescription(name=each, description="") for each in functions)
        )

    async def call(self, request: ToolRequest) -> str:
        return f"{request.recipient} | {request.function}"

    async def close(self) -> None:
        pass


async def test_names_that_are_no_identifiers_are_declared_called_and_answered_by_safe_ones() -> None:
    toolbox = Toolbox([Named("functions.get-weather", "get-weather"), Named("my server", "list files", "2d"), add])

    assert toolbox.recipients == ("functions.get_weather", "my_server.list_files", "my_server._2d", "functions.add")
    (server,) = toolbox.system_namespaces
    assert (server.name, [each.name for each in server.tools]) == ("my_server", ["list_files", "_2d"])
    (functions,) = toolbox.function_namespaces
    assert [each.name for each in functions.tools] == ["get_weather", "add"]
    for recipient, told in (
        ("functions.get_weather", "functions.get-weather | None"),
        ("my_server.list_files", "my server.list files | list files"),
        ("my_server._2d", "my server.2d | 2d"),
    ):
        answer = await toolbox.answer(call_to(recipient))
        assert (answer.reply.text, answer.reply.author.name, answer.repairs) == (told, recipient, ())
        assert answer.tool == toolbox.own_name(recipient) == told.partition(" | ")[0]


@pytest.mark.parametrize("written", ["functions.get-weather", "get-weather", "functions.functions.get-weather"])
async def test_a_tool_is_reached_by_its_own_name_too_and_says_so(written: str) -> None:
    answer = await Toolbox([Named("functions.get-weather", "get-weather")]).answer(call_to(written))

    assert answer.repairs == (CallRepair(written=written, assumed="functions.get_weather"),)


async def test_names_that_become_the_same_are_told_apart() -> None:
    toolbox = Toolbox([Named("a b"), Named("a_b"), Named("functions.x-y", "x-y"), Named("functions.x.y", "x.y")])

    assert toolbox.recipients == ("a_b_2", "a_b", "functions.x_y", "functions.x_y_2")
    assert (await toolbox.answer(call_to("a_b"))).tool == "a_b"
    assert (await toolbox.answer(call_to("a_b_2"))).tool == "a b"
    assert (await toolbox.answer(call_to("functions.x_y_2"))).tool == "functions.x.y"


@pytest.mark.parametrize("name", ["functions", "user", "assistant", "all", "user!", "functions:"])
def test_a_tool_that_could_not_be_called_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"a tool is named {name!r}, which means something else to the model"):
        Toolbox([Named(name)])


@pytest.mark.parametrize("written", ["container.exec", "functions.container.exec"])
async def test_an_alias_reaches_its_tool_and_says_so(written: str) -> None:
    answer = await Toolbox([Shout()], aliases={"container.exec": "shout"}).answer(call_to(written, "hi"))

    assert (answer.reply.text, answer.reply.author.name, answer.tool) == ("HI", "shout", "shout")
    assert answer.repairs == (CallRepair(written=written, assumed="shout"),)


def test_an_alias_that_leads_nowhere_or_hides_a_tool_is_refused() -> None:
    with pytest.raises(ValueError, match="the alias 'x': no tool named 'nobody'; there is shout"):
        Toolbox([Shout()], aliases={"x": "nobody"})
    with pytest.raises(ValueError, match="'shout' is a tool, so it cannot be an alias"):
        Toolbox([Shout(), add], aliases={"shout": "functions.add"})


async def test_the_repairs_of_a_call_are_those_of_its_recipient_and_of_its_arguments() -> None:
    answer = await Toolbox([add]).answer(call_to("add", '{"a": 2, "b": 3}]'))

    assert answer.reply.text == "5"
    assert [repair.kind for repair in answer.repairs] == ["recipient", "brackets"]


async def test_a_reply_that_is_too_long_keeps_beginning_and_end_and_says_how_much_is_missing() -> None:
    text = "begin " + 50_000_000 * "x" + " end"

    answer = await Toolbox([Shout()], reply_chars=1000).answer(call_to("shout", text))

    assert answer.reply.text.startswith("BEGIN X")
    assert answer.reply.text.endswith("X END")
    assert f"\n… {len(text) - 1000:,} characters cut …\n" in answer.reply.text
    assert len(answer.reply.text) < 1100
    assert answer.full_text == text.upper()


async def test_a_reply_of_the_right_length_is_whole() -> None:
    answer = await Toolbox([Shout()], reply_chars=2).answer(call_to("shout", "hi"))

    assert (answer.reply.text, answer.full_text) == ("HI", None)


async def test_an_error_that_repeats_what_the_model_wrote_is_not_too_long_either() -> None:
    answer = await Toolbox([add]).answer(call_to("functions.add", '{"a": "' + "x" * 1_000_000 + '", "b": 3}'))

    assert len(answer.reply.text) < 40_000


async def test_a_recipient_without_end_is_no_reply_without_end() -> None:
    answer = await Toolbox([add]).answer(call_to("x" * 1_000_000))

    assert len(answer.reply.text) < 40_000


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="reply_chars is 0; it must be above 0"):
        Toolbox(reply_chars=0)
