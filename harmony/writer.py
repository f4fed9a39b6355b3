"""Writer: one message → token ids.

A message is written in this order (https://cookbook.openai.com/articles/openai-harmony):

    <|start|> author [to=recipient] [<|channel|> channel [to=recipient]] [content type] <|message|> content <|end|>

with `<|call|>` in place of `<|end|>` where the assistant calls a tool. All text is ordinary text, so a page that says
`<|end|>` ends nothing. A message that was sampled is written as exactly the ids it was sampled as.
"""

from collections.abc import Sequence
from enum import StrEnum

from ostinato.harmony.errors import HarmonyError
from ostinato.harmony.message import Author, Content, Message, Role
from ostinato.harmony.preamble import DeveloperContent, SystemContent
from ostinato.harmony.preamble_text import developer_text, system_text
from ostinato.harmony.tokenizer import Tokenizer
from ostinato.harmony.tool_schema import SchemaMode

CONSTRAIN = "<|constrain|>"


class RecipientPosition(StrEnum):
    """Where an assistant's `to=` goes: after the channel, as gpt-oss samples it, or after the role (openai-harmony)."""

    CHANNEL = "channel"
    ROLE = "role"


class Writer:
    """Writes single messages as ids; `has_functions` says whether a developer message declares functions."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        recipient_position: RecipientPosition,
        schema_mode: SchemaMode,
        has_functions: bool = False,
    ) -> None:
        self.tokenizer = tokenizer
        self.recipient_position = recipient_position
        self.schema_mode = schema_mode
        self.has_functions = has_functions
        self._prompts = {role: [tokenizer.start, *tokenizer.encode(role)] for role in Role}

    def prompt(self, role: Role) -> list[int]:
        """Write what a message of this role begins with."""
        return list(self._prompts[role])

    def message(self, message: Message) -> list[int]:
        """Write a message.

        Raises:
            HarmonyError: if a tool message has no name, or system or developer content is in another role's message.
        """
        return self._composed(message) if message.ids is None else self._sampled(message, message.ids)

    def _sampled(self, message: Message, ids: Sequence[int]) -> list[int]:
        """Write the sampled ids; only what a generation may leave out at its ends is added or replaced."""
        tokenizer = self.tokenizer
        start = [] if ids and ids[0] == tokenizer.start else self.prompt(message.author.role)
        if ids and ids[-1] in (tokenizer.end, tokenizer.call):
            return [*start, *ids]
        body = ids[:-1] if ids and ids[-1] in tokenizer.terminators else ids
        return [*start, *body, self._terminator(message)]

    def _composed(self, message: Message) -> list[int]:
        tokenizer = self.tokenizer
        recipient = "" if message.recipient in (None, "all") else f" to={message.recipient}"
        in_channel = (
            self.recipient_position == RecipientPosition.CHANNEL
            and message.author.role == Role.ASSISTANT
            and message.channel is not None
        )
        ids = [tokenizer.start, *tokenizer.encode(_author_text(message.author))]
        if not in_channel:
            ids += tokenizer.encode(recipient)
        if message.channel is not None:
            ids += [tokenizer.channel, *tokenizer.encode(message.channel)]
        if in_channel:
            ids += tokenizer.encode(recipient)
        ids += self._content_type(message.content_type)
        ids.append(tokenizer.message)
        for part in message.content:
            ids += tokenizer.encode(self._content_text(message.author.role, part))
        return [*ids, self._terminator(message)]

    def _terminator(self, message: Message) -> int:
        is_call = message.author.role == Role.ASSISTANT and message.recipient is not None
        return self.tokenizer.call if is_call else self.tokenizer.end

    def _content_type(self, content_type: str | None) -> list[int]:
        if content_type is None:
            return []
        if not content_type.startswith(CONSTRAIN):
            return self.tokenizer.encode(f" {content_type}")
        constraint = content_type.removeprefix(CONSTRAIN)
        return [*self.tokenizer.encode(" "), self.tokenizer.constrain, *self.tokenizer.encode(constraint)]

    def _content_text(self, role: Role, part: Content) -> str:
        match part:
            case str():
                return part
            case SystemContent():
                if role != Role.SYSTEM:
                    raise HarmonyError(f"system content belongs in a system message, not in one of role {role.value!r}")
                return system_text(part, has_functions=self.has_functions, schema_mode=self.schema_mode)
            case DeveloperContent():
                if role != Role.DEVELOPER:
                    raise HarmonyError(
                        f"developer content belongs in a developer message, not in one of role {role.value!r}"
                    )
                return developer_text(part, schema_mode=self.schema_mode)


def _author_text(author: Author) -> str:
    if author.role == Role.TOOL:
        if not author.name:
            raise HarmonyError("a tool message needs the name of its tool as author, for example 'functions.search'")
        return author.name
    return author.role if author.name is None else f"{author.role}:{author.name}"
