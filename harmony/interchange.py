"""Interchange: messages as the JSON that openai-harmony writes and reads.

    {"messages": [{"role": "user", "name": "bob", "content": [{"type": "text", "text": "Hi"}], "channel": …}, …]}

A field that is missing means what it means to openai-harmony's renderer: nothing, not a default. Two keys are ours, and
openai-harmony passes over them: a message's `ids`, and the `response_formats` of developer content.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from ostinato.harmony.conversation import Conversation
from ostinato.harmony.errors import HarmonyError
from ostinato.harmony.message import Author, Content, Message, Role
from ostinato.harmony.preamble import (
    DeveloperContent,
    ReasoningEffort,
    ResponseFormat,
    SystemContent,
    ToolDescription,
    ToolNamespace,
)


def conversation_to_json(messages: Iterable[Message]) -> str:
    """Write a conversation as JSON.

    Raises:
        HarmonyError: if two namespaces of one message have the same name, or a schema is no JSON.
    """
    written = {"messages": [message_to_dict(message) for message in messages]}
    try:
        return json.dumps(written, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise HarmonyError(f"the conversation is no JSON ({error}); check the schemas of its tools") from error


def conversation_from_json(text: str) -> Conversation:
    """Read a conversation from JSON.

    Raises:
        HarmonyError: if the text is not the JSON of a conversation.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HarmonyError(f"a conversation is JSON, and this is not: {error}") from error
    if not isinstance(read, dict) or not isinstance(read.get("messages"), list):
        raise HarmonyError('a conversation is a JSON object with a list of "messages"; there is none')
    return Conversation(map(message_from_dict, read["messages"]))


def message_to_dict(message: Message) -> dict[str, Any]:
    """Write a message as openai-harmony's JSON object.

    Raises:
        HarmonyError: if two namespaces of the message have the same name.
    """
    fields = {
        "role": message.author.role.value,
        "name": message.author.name,
        "recipient": message.recipient,
        "content": [_content_to_dict(part) for part in message.content],
        "channel": message.channel,
        "content_type": message.content_type,
        "ids": None if message.ids is None else list(message.ids),
    }
    return {key: value for key, value in fields.items() if value is not None}


def message_from_dict(fields: Mapping[str, Any]) -> Message:
    """Read a message from openai-harmony's JSON object.

    Raises:
        HarmonyError: if it is none.
    """
    try:
        read = _Message.model_validate(fields)
    except ValidationError as error:
        raise HarmonyError(f"not a message of openai-harmony: {_fault(error)}") from error
    return Message(
        author=Author(role=read.role, name=read.name),
        content=tuple(part.content() for part in read.content),
        channel=read.channel,
        recipient=read.recipient,
        content_type=read.content_type,
        ids=read.ids,
    )


def _content_to_dict(part: Content) -> dict[str, Any]:
    match part:
        case str():
            return {"type": "text", "text": part}
        case SystemContent():
            effort = part.reasoning_effort
            return {
                "type": "system_content",
                "model_identity": part.model_identity,
                "reasoning_effort": None if effort is None else effort.value.capitalize(),
                "conversation_start_date": part.current_date,
                "knowledge_cutoff": part.knowledge_cutoff,
                "channel_config": {
                    "valid_channels": list(part.valid_channels),
                    "channel_required": part.channel_required,
                },
                "tools": _tools_to_dict(part.tools),
            }
        case DeveloperContent():
            formats = [
                {"name": form.name, "description": form.description, "schema": form.schema}
                for form in part.response_formats
            ]
            ours = {"response_formats": formats} if formats else {}
            tools = _tools_to_dict(part.tools)
            return {"type": "developer_content", "instructions": part.instructions, "tools": tools, **ours}


def _tools_to_dict(namespaces: Iterable[ToolNamespace]) -> dict[str, Any] | None:
    written: dict[str, Any] = {}
    for namespace in namespaces:
        if namespace.name in written:
            raise HarmonyError(f"two namespaces are named {namespace.name!r}; put their tools in one")
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in namespace.tools
        ]
        written[namespace.name] = {"name": namespace.name, "description": namespace.description, "tools": tools}
    return written or None


class _Text(BaseModel):
    type: Literal["text"]
    text: str

    def content(self) -> str:
        return self.text


class _ChannelConfig(BaseModel):
    valid_channels: tuple[str, ...]
    channel_required: bool


class _Tool(BaseModel):
    name: str
    description: str
    parameters: dict[str, Any] | None = None


class _Namespace(BaseModel):
    name: str
    description: str | None = None
    tools: tuple[_Tool, ...]

    def namespace(self) -> ToolNamespace:
        tools = tuple(
            ToolDescription(name=tool.name, description=tool.description, parameters=tool.parameters)
            for tool in self.tools
        )
        return ToolNamespace(name=self.name, description=self.description, tools=tools)


class _WithTools(BaseModel):
    tools: dict[str, _Namespace] | None = None

    @field_validator("tools")
    @classmethod
    def _keys_are_names(cls, tools: dict[str, _Namespace] | None) -> dict[str, _Namespace] | None:
        for key, namespace in (tools or {}).items():
            if key != namespace.name:
                raise ValueError(f"the namespace {namespace.name!r} stands under {key!r}; name it the same")
        return tools

    def namespaces(self) -> tuple[ToolNamespace, ...]:
        return tuple(namespace.namespace() for namespace in (self.tools or {}).values())


class _System(_WithTools):
    type: Literal["system_content"]
    model_identity: str | None = None
    reasoning_effort: Literal["Low", "Medium", "High"] | None = None
    conversation_start_date: str | None = None
    knowledge_cutoff: str | None = None
    channel_config: _ChannelConfig | None = None

    def content(self) -> SystemContent:
        channels = self.channel_config or _ChannelConfig(valid_channels=(), channel_required=True)
        effort = self.reasoning_effort
        return SystemContent(
            model_identity=self.model_identity,
            reasoning_effort=None if effort is None else ReasoningEffort(effort.lower()),
            current_date=self.conversation_start_date,
            knowledge_cutoff=self.knowledge_cutoff,
            valid_channels=channels.valid_channels,
            channel_required=channels.channel_required,
            tools=self.namespaces(),
        )


class _ResponseFormat(BaseModel):
    name: str
    description: str | None = None
    json_schema: dict[str, Any] = Field(alias="schema")


class _Developer(_WithTools):
    type: Literal["developer_content"]
    instructions: str | None = None
    response_formats: tuple[_ResponseFormat, ...] = ()

    def content(self) -> DeveloperContent:
        formats = tuple(
            ResponseFormat(name=form.name, schema=form.json_schema, description=form.description)
            for form in self.response_formats
        )
        return DeveloperContent(instructions=self.instructions, tools=self.namespaces(), response_formats=formats)


class _Message(BaseModel):
    role: Role
    name: str | None = None
    content: tuple[Annotated[_Text | _System | _Developer, Field(discriminator="type")], ...]
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    ids: tuple[int, ...] | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _plain_text_is_one_part(cls, content: object) -> object:
        return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _fault(error: ValidationError) -> str:
    """Say the first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "it"
    if first["type"] == "missing":
        return f"{place!r} is missing"
    said = "an object is needed" if first["type"] == "model_type" else first["msg"]
    value = repr(first["input"])
    shown = value if len(value) <= 80 else f"{value[:80]}…"
    return f"{place!r} is {shown}: {said}"
