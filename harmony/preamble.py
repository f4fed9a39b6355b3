"""What a conversation opens with: the system message's settings and the developer's instructions and tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JsonSchema = Mapping[str, Any]


class ReasoningEffort(StrEnum):
    """How long the model thinks before it answers; a line of the system message."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDescription:
    """One function as the model sees it: `parameters` is the JSON schema of its arguments, None for no arguments."""

    name: str
    description: str
    parameters: JsonSchema | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolNamespace:
    """A named group of functions (`functions`, `browser`), or a tool that takes free text (`python`) and has none."""

    name: str
    description: str | None = None
    tools: tuple[ToolDescription, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFormat:
    """A form the final answer can be asked for: JSON that fits `schema`.

    Raises:
        TypeError: if the schema is no object of JSON.
    """

    name: str
    schema: JsonSchema
    description: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.schema, Mapping):
            raise TypeError(
                f"the schema of {self.name!r} is {self.schema!r}; give a JSON schema, such as {{'type': 'object'}}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemContent:
    """The settings in the system message. A field that is None leaves its line out."""

    model_identity: str | None = "You are ChatGPT, a large language model trained by OpenAI."
    knowledge_cutoff: str | None = "2024-06"
    current_date: str | None = None
    reasoning_effort: ReasoningEffort | None = ReasoningEffort.MEDIUM
    valid_channels: tuple[str, ...] = ("analysis", "commentary", "final")
    channel_required: bool = True
    tools: tuple[ToolNamespace, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class DeveloperContent:
    """The developer's instructions, the functions the model may call, and the forms its answer may be asked for in."""

    instructions: str | None = None
    tools: tuple[ToolNamespace, ...] = ()
    response_formats: tuple[ResponseFormat, ...] = ()
