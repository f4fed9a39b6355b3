"""The bundled vocabulary, and openai-harmony on the same ranks as the oracle. Nothing here touches the network."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import openai_harmony
import pytest

from ostinato.harmony import (
    Author,
    Content,
    DeveloperContent,
    Message,
    Role,
    SystemContent,
    Tokenizer,
    ToolDescription,
    ToolNamespace,
)
from ostinato.harmony.o200k import COUNT

Spell = Callable[[str], list[int]]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.o200k_harmony()


@pytest.fixture(scope="session")
def spell(tokenizer: Tokenizer) -> Spell:
    """Encode text in which the names of special tokens stand for the tokens."""
    return partial(tokenizer.encode, allowed_special="all")


@pytest.fixture(scope="session")
def published_ranks(tokenizer: Tokenizer) -> bytes:
    """The rank file as OpenAI publishes it, rebuilt from ours."""
    lines = (base64.b64encode(tokenizer.token_bytes(rank)) + b" %d\n" % rank for rank in range(COUNT))
    return b"".join(lines)


@pytest.fixture(scope="session")
def library(published_ranks: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Library"]:
    folder = tmp_path_factory.mktemp("encodings")
    (folder / "o200k_base.tiktoken").write_bytes(published_ranks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_ENCODINGS_BASE", str(folder))
        yield Library(openai_harmony.load_harmony_encoding("HarmonyGptOss"))


class Library:
    """openai-harmony, spoken to in our types."""

    def __init__(self, encoding: Any) -> None:
        self.encoding = encoding

    def render(self, messages: Sequence[Message], *, drops_analysis: bool = True) -> list[int]:
        config = openai_harmony.RenderConversationConfig(auto_drop_analysis=drops_analysis)
        role = openai_harmony.Role.ASSISTANT
        return list(self.encoding.render_conversation_for_completion(their_conversation(messages), role, config))

    def render_training(self, messages: Sequence[Message]) -> list[int]:
        return list(self.encoding.render_conversation_for_training(their_conversation(messages)))

    def parse(self, ids: Sequence[int], role: Role | None) -> list[Message]:
        library_role = None if role is None else openai_harmony.Role(role.value)
        parsed = self.encoding.parse_messages_from_completion_tokens(ids, library_role)
        return [_ours(message.to_dict()) for message in parsed]

    def encode(self, text: str) -> list[int]:
        return list(self.encoding.encode(text, disallowed_special=()))

    def namespace(self, name: str) -> ToolNamespace:
        """One of the tools that the library describes itself."""
        theirs = getattr(openai_harmony.ToolNamespaceConfig, name)()
        tools = tuple(
            ToolDescription(name=tool.name, description=tool.description, parameters=tool.parameters)
            for tool in theirs.tools
        )
        return ToolNamespace(name=theirs.name, description=theirs.description, tools=tools)


def their_conversation(messages: Sequence[Message]) -> Any:
    """Make the same conversation in openai-harmony's types."""
    return openai_harmony.Conversation.from_messages([_theirs(message) for message in messages])


def _theirs(message: Message) -> Any:
    author = openai_harmony.Author(role=openai_harmony.Role(message.author.role.value), name=message.author.name)
    return openai_harmony.Message(
        author=author,
        content=[_their_content(part) for part in message.content],
        channel=message.channel,
        recipient=message.recipient,
        content_type=message.content_type,
    )


def _their_content(content: Content) -> Any:
    match content:
        case str():
            return openai_harmony.TextContent(text=content)
        case SystemContent():
            effort = content.reasoning_effort
            return openai_harmony.SystemContent(
                model_identity=content.model_identity,
                knowledge_cutoff=content.knowledge_cutoff,
                conversation_start_date=content.current_date,
                reasoning_effort=None if effort is None else openai_harmony.ReasoningEffort(effort.value.capitalize()),
                channel_config=openai_harmony.ChannelConfig(
                    valid_channels=list(content.valid_channels), channel_required=content.channel_required
                ),
                tools=_their_tools(content.tools),
            )
        case DeveloperContent():
            return openai_harmony.DeveloperContent(instructions=content.instructions, tools=_their_tools(content.tools))


def _their_tools(namespaces: Sequence[ToolNamespace]) -> Any:
    return {
        namespace.name: openai_harmony.ToolNamespaceConfig(
            name=namespace.name,
            description=namespace.description,
            tools=[
                openai_harmony.ToolDescription(
                    name=tool.name,
                    description=tool.description,
                    parameters=None if tool.parameters is None else json.loads(json.dumps(tool.parameters)),
                )
                for tool in namespace.tools
            ],
        )
        for namespace in namespaces
    } or None


def _ours(message: dict[str, Any]) -> Message:
    return Message(
        author=Author(role=Role(message["role"]), name=message.get("name")),
        content=tuple(part["text"] for part in message["content"]),
        channel=message.get("channel"),
        recipient=message.get("recipient"),
        content_type=message.get("content_type"),
    )
