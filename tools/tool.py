"""What a tool is: a name, what the model is told about it, and what it answers."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ostinato.harmony import ToolNamespace
from ostinato.tools.repair import CallRepair


class ToolError(Exception):
    """A message for the model: what was wrong with its call and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """A call as the model wrote it: `function` is what follows the tool's name in the recipient, if anything.

    Recipient and function are the tool's own names, also where the model knows it by others. A tool that reads the
    content with good will adds what it assumed to `repairs`; for JSON, `read_arguments` does both.
    """

    recipient: str
    content: str
    function: str | None = None
    content_type: str | None = None
    repairs: list[CallRepair] = field(default_factory=list, compare=False)


@runtime_checkable
class Tool(Protocol):
    """Something the model can call.

    A tool whose name is `functions.NAME` is described in the developer message, any other in the system message.
    """

    @property
    def name(self) -> str:
        """The recipient that reaches the tool, or what comes before the dot in it."""

    @property
    def namespace(self) -> ToolNamespace:
        """What the model is told."""

    async def call(self, request: ToolRequest) -> str:
        """Answer the model.

        Raises:
            ToolError: for what the model can mend; anything else is a defect of the tool.
        """

    async def close(self) -> None:
        """Free what the tool holds."""
