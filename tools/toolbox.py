"""The toolbox: from the recipient a model wrote to a tool, and from the tool's answer to the reply message.

It alone builds replies, so author, recipient and channel cannot be wrong, and none can be too long. Tools may have any
names: the model is told identifiers, calls by them and is answered by them; tools and users see the names as given.

A recipient that no tool has is read with good will first: models write `functions.python` for `python` and
`get_weather` for `functions.get_weather` (https://github.com/openai/gpt-oss/issues/199), or call tools they were
trained with, such as `container.exec`, which an alias can map to one there is.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from ostinato.harmony import Message, Role, ToolNamespace
from ostinato.harmony.tool_names import safe_names
from ostinato.sandbox.frames import head_and_tail
from ostinato.tools.function import FunctionTool
from ostinato.tools.repair import CallRepair
from ostinato.tools.tool import Tool, ToolError, ToolRequest

REPLY_CHARS = 32_000  # a quarter of a gpt-oss context at one token a character, a sixteenth in English

_FUNCTIONS = "functions"
_PREFIXES = ("functions.", "function.")
_NOT_TOOLS = frozenset({"all", *Role})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a call: the reply for the conversation, and how the call was mended.

    `tool` is the recipient that was reached, by the tool's own names; None if there is no such tool. `full_text` is the
    whole of a reply that was cut; None if it was not.
    """

    reply: Message
    tool: str | None = None
    repairs: tuple[CallRepair, ...] = ()
    full_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """Where a recipient leads: `recipient` and `function` are the tool's own names."""

    tool: Tool
    recipient: str
    function: str | None = None


class Toolbox:
    """The tools of one agent. A plain typed function is made a tool, as `@tool` does.

    `aliases` map recipients that no tool has to some that a tool has: `{"container.exec": "python"}`. Of a reply longer
    than `reply_chars` characters the model gets beginning and end.

    Raises:
        ValueError: if two tools have one name, a name is a role's, or an alias is a tool's name or leads nowhere.
    """

    def __init__(
        self,
        tools: Iterable[Tool | Callable[..., object]] = (),
        *,
        aliases: Mapping[str, str] | None = None,
        reply_chars: int = REPLY_CHARS,
    ) -> None:
        if reply_chars < 1:
            raise ValueError(f"reply_chars is {reply_chars!r}; it must be above 0")
        self._tools: dict[str, Tool] = {}
        for given in tools:
            self._add(given if isinstance(given, Tool) else FunctionTool(given))
        namespaces = [name for name, tool in self._tools.items() if not _is_function(tool)]
        self._namespaces = safe_names(namespaces)
        self._functions = safe_names(_bare(name) for name in self._tools if name not in namespaces)
        self._routes = {recipient: route for tool in self._tools.values() for recipient, route in self._ways_to(tool)}
        self._known = {route.recipient: recipient for recipient, route in self._routes.items()}
        self._aliases = {alias: self._target(alias, target) for alias, target in (aliases or {}).items()}
        self._reply_chars = reply_chars

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every recipient that reaches a tool, as the model knows it."""
        return tuple(self._routes)

    @property
    def system_namespaces(self) -> tuple[ToolNamespace, ...]:
        """What the system message declares: every tool that is no function."""
        return tuple(
            _renamed(tool.namespace, self._namespaces[tool.name])
            for tool in self._tools.values()
            if not _is_function(tool)
        )

    @property
    def function_namespaces(self) -> tuple[ToolNamespace, ...]:
        """What the developer message declares: all functions in one namespace, or nothing."""
        functions = [(tool.namespace, _bare(tool.name)) for tool in self._tools.values() if _is_function(tool)]
        tools = tuple(
            replace(description, name=self._functions[name])
            for namespace, name in functions
            for description in namespace.tools
        )
        return (ToolNamespace(name=_FUNCTIONS, tools=tools),) if tools else ()

    def own_name(self, recipient: str | None) -> str:
        """Return a recipient that the model wrote as the user knows it: by the tool's own names."""
        reached = self._reached_by(recipient or "")
        return self._routes[reached].recipient if reached else recipient or ""

    async def answer(self, call: Message) -> Answer:
        """Answer a call with its tool's text, or with an error that the model can act on."""
        written = call.recipient or ""
        recipient = self._reached_by(written)
        if recipient is None:
            return self._answer(call, f"error: {self._unknown(written)}")
        route = self._routes[recipient]
        request = ToolRequest(
            recipient=route.recipient, function=route.function, content=call.text, content_type=call.content_type
        )
        if recipient != written:
            request.repairs.append(CallRepair(written=written, assumed=recipient))
        try:
            text = await route.tool.call(request)
        except ToolError as error:
            text = f"error: {error}"
        return self._answer(call, text, recipient=recipient, repairs=request.repairs)

    async def close(self) -> None:
        """Close every tool, also when one of them fails to."""
        async with AsyncExitStack() as stack:
            for tool in self._tools.values():
                stack.push_async_callback(tool.close)

    def _answer(
        self, call: Message, text: str, *, recipient: str | None = None, repairs: Iterable[CallRepair] = ()
    ) -> Answer:
        told = head_and_tail(text, self._reply_chars)
        return Answer(
            reply=reply_to(call, told, author=recipient),
            tool=self._routes[recipient].recipient if recipient else None,
            repairs=tuple(repairs),
            full_text=None if told == text else text,
        )

    def _add(self, tool: Tool) -> None:
        if tool.name in self._tools:
            raise ValueError(f"two tools are named {tool.name!r}; a recipient must reach one")
        if tool.name in {_FUNCTIONS, *_NOT_TOOLS}:
            raise ValueError(
                f"a tool is named {tool.name!r}, which means something else to the model; name it otherwise"
            )
        self._tools[tool.name] = tool

    def _ways_to(self, tool: Tool) -> Iterable[tuple[str, _Route]]:
        """Yield each recipient that reaches the tool, as the model knows it, and what it means to the tool."""
        if _is_function(tool):
            yield f"{_FUNCTIONS}.{self._functions[_bare(tool.name)]}", _Route(tool=tool, recipient=tool.name)
            return
        name, functions = self._namespaces[tool.name], [each.name for each in tool.namespace.tools]
        if not functions:
            yield name, _Route(tool=tool, recipient=tool.name)
        for function, safe in safe_names(functions).items():
            yield f"{name}.{safe}", _Route(tool=tool, recipient=f"{tool.name}.{function}", function=function)

    def _target(self, alias: str, target: str) -> str:
        """Return the recipient that an alias stands for."""
        if self._recipient(alias):
            raise ValueError(f"{alias!r} is a tool, so it cannot be an alias")
        recipient = self._recipient(target)
        if recipient is None:
            raise ValueError(f"the alias {alias!r}: {self._unknown(target)}")
        return recipient

    def _recipient(self, name: str) -> str | None:
        """Return the recipient called `name`, by the model or by the user."""
        return name if name in self._routes else self._known.get(name)

    def _reached_by(self, written: str) -> str | None:
        """Return the recipient that `written` means, None if it means no tool."""
        bare = written
        for prefix in _PREFIXES:
            bare = bare.removeprefix(prefix)
        candidates = (written, f"{_FUNCTIONS}.{bare}", bare)
        # What follows the name of a tool without functions means nothing: models write `python.exec` too.
        owners = tuple(candidate.partition(".")[0] for candidate in candidates)
        found = (self._recipient(each) or self._aliases.get(each) for each in (*candidates, *owners))
        return next((each for each in found if each), None)

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


def _bare(name: str) -> str:
    return name.removeprefix(f"{_FUNCTIONS}.")


def _renamed(namespace: ToolNamespace, name: str) -> ToolNamespace:
    """Return the namespace as the model can call it."""
    safe = safe_names(each.name for each in namespace.tools)
    return replace(namespace, name=name, tools=tuple(replace(each, name=safe[each.name]) for each in namespace.tools))
