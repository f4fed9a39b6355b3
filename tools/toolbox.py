"""The toolbox: from the recipient a model wrote to a tool, and from the tool's answer to the reply message.

It alone builds replies, so author, recipient and channel cannot be wrong. A recipient that no tool has is read with
good will first: models write `functions.python` for `python` and `get_weather` for `functions.get_weather`
(https://github.com/openai/gpt-oss/issues/199).
"""

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from ostinato.harmony import Message, Role, ToolNamespace
from ostinato.tools.function import FunctionTool
from ostinato.tools.tool import Tool, ToolError, ToolRequest

_FUNCTIONS = "functions"
_PREFIXES = ("functions.", "function.")
_NOT_TOOLS = frozenset({"all", *Role})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRepair:
    """A call that reached no tool as it was `written`, and the recipient that was `assumed`."""

    written: str
    assumed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a call: the reply for the conversation, and how the call was mended."""

    reply: Message
    repairs: tuple[CallRepair, ...] = ()


class Toolbox:
    """The tools of one agent. A plain typed function is made a tool, as `@tool` does."""

    def __init__(self, tools: Iterable[Tool | Callable[..., object]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for given in tools:
            tool = given if isinstance(given, Tool) else FunctionTool(given)
            if tool.name in self._tools:
                raise ValueError(f"two tools are named {tool.name!r}; a recipient must reach one")
            self._tools[tool.name] = tool

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every recipient that reaches a tool."""
        return tuple(name for tool in self._tools.values() for name in _recipients(tool))

    @property
    def system_namespaces(self) -> tuple[ToolNamespace, ...]:
        """What the system message declares: every tool that is no function."""
        return tuple(tool.namespace for tool in self._tools.values() if not _is_function(tool))

    @property
    def function_namespaces(self) -> tuple[ToolNamespace, ...]:
        """What the developer message declares: all functions in one namespace, or nothing."""
        functions = tuple(tool.namespace for tool in self._tools.values() if _is_function(tool))
        tools = tuple(description for namespace in functions for description in namespace.tools)
        return (ToolNamespace(name=_FUNCTIONS, tools=tools),) if tools else ()

    async def answer(self, call: Message) -> Answer:
        """Answer a call with its tool's text, or with an error that the model can act on."""
        written = call.recipient or ""
        recipient = self._reached_by(written)
        if recipient is None:
            return Answer(reply=reply_to(call, f"error: {self._unknown(written)}"))
        repairs = () if recipient == written else (CallRepair(written=written, assumed=recipient),)
        try:
            text = await self._call(recipient, call)
        except ToolError as error:
            text = f"error: {error}"
        return Answer(reply=reply_to(call, text, author=recipient), repairs=repairs)

    async def close(self) -> None:
        """Close every tool, also when one of them fails to."""
        async with AsyncExitStack() as stack:
            for tool in self._tools.values():
                stack.push_async_callback(tool.close)

    async def _call(self, recipient: str, call: Message) -> str:
        name, function = self._split(recipient)
        request = ToolRequest(recipient=recipient, function=function, content=call.text, content_type=call.content_type)
        return await self._tools[name].call(request)

    def _reached_by(self, written: str) -> str | None:
        """Return the recipient that `written` means, None if it means no tool."""
        bare = written
        for prefix in _PREFIXES:
            bare = bare.removeprefix(prefix)
        candidates = (written, f"{_FUNCTIONS}.{bare}", bare)
        # What follows the name of a tool without functions means nothing: models write `python.exec` too.
        owners = tuple(candidate.partition(".")[0] for candidate in candidates)
        recipients = self.recipients
        return next((each for each in (*candidates, *owners) if each in recipients), None)

    def _split(self, recipient: str) -> tuple[str, str | None]:
        """Split `browser.search` into the tool's name and its function; a tool's own name has no function."""
        if recipient in self._tools:
            return recipient, None
        name, _, function = recipient.partition(".")
        return name, function or None

    def _unknown(self, written: str) -> str:
        if not self._tools:
            return f"no tool named {written!r}; there are no tools"
        return f"no tool named {written!r}; there is {', '.join(self.recipients)}"


def is_call(message: Message) -> bool:
    """Say whether the model wants something of a tool: `to=user` and the like are not calls."""
    if message.author.role != Role.ASSISTANT or message.recipient is None:
        return False
    return message.recipient.partition(":")[0] not in _NOT_TOOLS


def reply_to(call: Message, text: str, *, author: str | None = None) -> Message:
    """Build the reply to `call`; `author` is the recipient it reached, by default the one the model wrote."""
    return Message.tool(text, name=author or call.recipient or "tool", channel=call.channel)


def _is_function(tool: Tool) -> bool:
    return tool.name.startswith(f"{_FUNCTIONS}.")


def _recipients(tool: Tool) -> list[str]:
    functions = tool.namespace.tools
    return [tool.name] if _is_function(tool) or not functions else [f"{tool.name}.{each.name}" for each in functions]
