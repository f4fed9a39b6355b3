"""The forms a message of the assistant may take: what the tools, the channels and a response schema leave open.

A form has places, in which the channel and the recipient may stand, and content types that may follow:

    <|channel|>commentary to=functions.search <|constrain|>json<|message|>{…}<|call|>
    └───────────────── place ───────────────┘└───── type ─────┘└ message ┘ └ body ┘└ terminator
     to=functions.search<|channel|>commentary …

Each is written as pieces: names of special tokens, and texts that are encoded one by one, as the renderer does.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ostinato.harmony.message import Channel, Message
from ostinato.harmony.preamble import DeveloperContent, JsonSchema, SystemContent, ToolDescription, ToolNamespace

Pieces = tuple[str, ...]

NOTHING: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}
_PLAIN: tuple[Pieces, ...] = ((),)
_CODE: tuple[Pieces, ...] = ((), (" code",))
_CONSTRAINED: tuple[Pieces, ...] = ((" ", "<|constrain|>", "json"), ("<|constrain|>", "json"))
_JSON: tuple[Pieces, ...] = ((), (" json",), (" code",), *_CONSTRAINED)
_COMBINERS = ("allOf", "anyOf", "oneOf", "$ref", "patternProperties")  # properties may be declared elsewhere too


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """One form of message. `schema` None means free text; `recipient` None that it calls nothing."""

    channel: str
    terminator: str
    recipient: str | None = None
    types: tuple[Pieces, ...] = _PLAIN
    schema: JsonSchema | None = None

    @property
    def is_thought(self) -> bool:
        """Whether this is reasoning."""
        return self.channel == Channel.ANALYSIS and self.recipient is None

    @property
    def is_preamble(self) -> bool:
        """Whether this tells the user what comes, before a call."""
        return self.channel == Channel.COMMENTARY and self.recipient is None

    @property
    def is_talk(self) -> bool:
        """Whether another message follows in the same generation."""
        return self.is_thought or self.is_preamble

    @property
    def places(self) -> tuple[Pieces, ...]:
        """How the header begins."""
        if self.recipient is None:
            return (("<|channel|>", self.channel),)
        recipient = f" to={self.recipient}"
        return ("<|channel|>", self.channel, recipient), (recipient, "<|channel|>", self.channel)


def message_forms(messages: Iterable[Message], response_schema: JsonSchema | None) -> tuple[Form, ...]:
    """Return every form that the opening of a conversation allows; an answer is always possible."""
    contents = [part for message in messages for part in message.content]
    channels = _channels(part for part in contents if isinstance(part, SystemContent))
    calls = [form for namespace in _namespaces(contents) for form in _call_forms(namespace) if form.channel in channels]
    forms: list[Form] = []
    if Channel.ANALYSIS in channels:
        forms.append(Form(channel=Channel.ANALYSIS, terminator="<|end|>"))
    if calls and Channel.COMMENTARY in channels:
        forms.append(Form(channel=Channel.COMMENTARY, terminator="<|end|>"))
    types = _PLAIN if response_schema is None else (*_PLAIN, *_CONSTRAINED)
    answer = Form(channel=Channel.FINAL, terminator="<|return|>", types=types, schema=response_schema)
    return (*forms, *calls, answer)


def is_writable(recipient: str) -> bool:
    """Say whether a header can name the recipient so that it is read as it was written."""
    return bool(recipient) and recipient not in ("all", "assistant") and not re.search(r"\s|<\|", recipient)


def unwritable(messages: Iterable[Message]) -> list[str]:
    """Return the declared recipients that no header can name."""
    namespaces = _namespaces(part for message in messages for part in message.content)
    return [name for namespace in namespaces for name, _ in _recipients(namespace) if not is_writable(name)]


def _channels(systems: Iterable[SystemContent]) -> frozenset[str]:
    declared = [channel for system in systems for channel in system.valid_channels]
    return frozenset(declared or Channel)


def _namespaces(contents: Iterable[object]) -> Iterator[ToolNamespace]:
    for part in contents:
        if isinstance(part, SystemContent | DeveloperContent):
            yield from part.tools


def _call_forms(namespace: ToolNamespace) -> Iterator[Form]:
    """Every tool may be called on commentary and among the reasoning, functions too.

    The system message sends functions to commentary, but a model that has begun `analysis to=` and means a function
    would otherwise be left with the name of another tool.
    """
    for recipient, tool in _recipients(namespace):
        if is_writable(recipient):
            types = _CODE if tool is None else _JSON
            schema = None if tool is None else _arguments(tool)
            for channel in (Channel.ANALYSIS, Channel.COMMENTARY):
                yield Form(channel=channel, terminator="<|call|>", recipient=recipient, types=types, schema=schema)


def _recipients(namespace: ToolNamespace) -> Iterator[tuple[str, ToolDescription | None]]:
    if not namespace.tools:
        yield namespace.name, None
    for tool in namespace.tools:
        yield f"{namespace.name}.{tool.name}", tool


def _arguments(tool: ToolDescription) -> JsonSchema:
    """Return the schema of a call's arguments: parameters that are not declared are allowed only where it says so."""
    if tool.parameters is None:
        return NOTHING
    is_open = "properties" not in tool.parameters or any(key in tool.parameters for key in _COMBINERS)
    return {"type": "object", **({} if is_open else {"additionalProperties": False}), **tool.parameters}
