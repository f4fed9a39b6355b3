"""The toolbox: from a call to a tool (`recipients.py` says to which), and from the tool's answer to the reply message.

It alone builds replies, so author, recipient and channel cannot be wrong, and none can be too long.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from ostinato.harmony import Message, Role, ToolNamespace
from ostinato.sandbox.frames import head_and_tail
from ostinato.tools.function import FunctionTool
from ostinato.tools.recipients import NOT_TOOLS, Recipients, Route
from ostinato.tools.repair import CallRepair
from ostinato.tools.tool import Tool, ToolError, ToolRequest

REPLY_SHARE = (
    4  # a reply has at most so many characters as a quarter of the context has tokens: in English, a sixteenth
)
REPLY_CHARS = 131_072 // REPLY_SHARE  # with the context of gpt-oss


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
        made = [given if isinstance(given, Tool) else FunctionTool(given) for given in tools]
        self._recipients = Recipients(made, aliases or {})
        self._reply_chars = reply_chars

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every recipient that reaches a tool, as the model knows it."""
        return tuple(self._recipients)

    @property
    def system_namespaces(self) -> tuple[ToolNamespace, ...]:
        """What the system message declares: every tool that is no function."""
        return self._recipients.system_namespaces

    @property
    def function_namespaces(self) -> tuple[ToolNamespace, ...]:
        """What the developer message declares: all functions in one namespace, or nothing."""
        return self._recipients.function_namespaces

    def own_name(self, recipient: str | None) -> str:
        """Return a recipient that the model wrote as the user knows it: by the tool's own names."""
        route = self._recipients.reached_by(recipient or "")
        return route.own_name if route else recipient or ""

    async def answer(self, call: Message) -> Answer:
        """Answer a call with its tool's text, or with an error that the model can act on."""
        written = call.recipient or ""
        route = self._recipients.reached_by(written)
        if route is None:
            return self._answer(call, f"error: {self._recipients.unknown(written)}")
        request = ToolRequest(
            recipient=route.own_name, function=route.function, content=call.text, content_type=call.content_type
        )
        if route.recipient != written:
            request.repairs.append(CallRepair(written=written, assumed=route.recipient))
        try:
            text = await route.tool.call(request)
        except ToolError as error:
            text = f"error: {error}"
        return self._answer(call, text, route=route, repairs=request.repairs)

    async def close(self) -> None:
        """Close every tool, also when one of them fails to."""
        async with AsyncExitStack() as stack:
            for tool in self._recipients.tools:
                stack.push_async_callback(tool.close)

    def _answer(
        self, call: Message, text: str, *, route: Route | None = None, repairs: Iterable[CallRepair] = ()
    ) -> Answer:
        told = head_and_tail(text, self._reply_chars)
        return Answer(
            reply=reply_to(call, told, author=route.recipient if route else None),
            tool=route.own_name if route else None,
            repairs=tuple(repairs),
            full_text=None if told == text else text,
        )


def is_call(message: Message) -> bool:
    """Say whether the model wants something of a tool: `to=user` and the like are not calls."""
    if message.author.role != Role.ASSISTANT or message.recipient is None:
        return False
    return message.recipient.partition(":")[0] not in NOT_TOOLS


def reply_to(call: Message, text: str, *, author: str | None = None) -> Message:
    """Build the reply to `call`; `author` is the recipient it reached, by default the one the model wrote."""
    return Message.tool(text, name=author or call.recipient or "tool", channel=call.channel)
