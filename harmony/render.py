"""Render: messages → token ids, for the model to go on from, or to learn from.

A message is written in this order (https://cookbook.openai.com/articles/openai-harmony):

    <|start|> author [to=recipient] [<|channel|> channel [to=recipient]] [content type] <|message|> content <|end|>

with `<|call|>` in place of `<|end|>` where the assistant calls a tool. All text is ordinary text, so a page that says
`<|end|>` ends nothing. A message that was sampled is written as exactly the ids it was sampled as.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ostinato.harmony.errors import HarmonyError
from ostinato.harmony.message import Author, Channel, Content, Message, Role
from ostinato.harmony.preamble import DeveloperContent, SystemContent
from ostinato.harmony.preamble_text import declares_functions, developer_text, system_text
from ostinato.harmony.tokenizer import Tokenizer
from ostinato.harmony.tool_schema import SchemaMode

CONSTRAIN = "<|constrain|>"


class DropAnalysis(StrEnum):
    """Which earlier reasoning is left out.

    NONE keeps all. COMPLETED_TURNS leaves out the reasoning that came before the last final answer, and keeps calls of
    tools with their results. PARITY does what openai-harmony 0.0.8 does: it drops what comes before the *first* final
    answer, calls included, and only while the last assistant message is a final answer.
    """

    NONE = "none"
    COMPLETED_TURNS = "completed_turns"
    PARITY = "parity"


class RecipientPosition(StrEnum):
    """Where an assistant's `to=` goes: after the channel, as gpt-oss samples it, or after the role (openai-harmony)."""

    CHANNEL = "channel"
    ROLE = "role"


def render(
    messages: Iterable[Message],
    tokenizer: Tokenizer,
    *,
    next_role: Role | None = Role.ASSISTANT,
    drop_analysis: DropAnalysis = DropAnalysis.COMPLETED_TURNS,
    recipient_position: RecipientPosition = RecipientPosition.CHANNEL,
    schema_mode: SchemaMode = SchemaMode.FIXED,
) -> list[int]:
    """Render a conversation for completion: it ends with `<|start|>` and the next role, unless that is None.

    Raises:
        HarmonyError: if a tool message has no name, or system or developer content is in another role's message.
    """
    kept = kept_messages(messages, drop_analysis)
    writer = _Writer(tokenizer, recipient_position, schema_mode, has_functions=_has_functions(kept))
    ids = [number for message in kept for number in writer.message(message).ids]
    return ids if next_role is None else ids + writer.prompt(next_role)


def render_training(
    messages: Iterable[Message],
    tokenizer: Tokenizer,
    *,
    drop_analysis: DropAnalysis = DropAnalysis.NONE,
    recipient_position: RecipientPosition = RecipientPosition.CHANNEL,
    schema_mode: SchemaMode = SchemaMode.FIXED,
) -> tuple[list[int], list[int]]:
    """Render a conversation to learn from, and its loss mask: 1 on each id that the model would have sampled.

    A last final answer ends with `<|return|>`. Earlier ones end with `<|end|>`, which history shows and the model never
    samples there, so it is masked out.

    Raises:
        HarmonyError: as `render`.
    """
    kept = kept_messages(messages, drop_analysis)
    writer = _Writer(tokenizer, recipient_position, schema_mode, has_functions=_has_functions(kept))
    ids: list[int] = []
    mask: list[int] = []
    for index, message in enumerate(kept):
        written = writer.message(message)
        ids += written.ids
        mask += _mask(written, message, kept[index - 1] if index else None)
    if kept and _is_final(kept[-1]):
        ids[-1], mask[-1] = tokenizer.return_, 1
    return ids, mask


def kept_messages(messages: Iterable[Message], policy: DropAnalysis) -> list[Message]:
    """Return the messages that the policy keeps."""
    messages = list(messages)
    if policy == DropAnalysis.NONE:
        return messages
    if policy == DropAnalysis.PARITY:
        return _kept_in_parity(messages)
    finals = [index for index, message in enumerate(messages) if _is_final(message)]
    last = finals[-1] if finals else 0
    return [message for index, message in enumerate(messages) if index > last or not _is_reasoning(message)]


def _kept_in_parity(messages: Sequence[Message]) -> list[Message]:
    assistants = [message for message in messages if message.author.role == Role.ASSISTANT]
    if not assistants or assistants[-1].channel != Channel.FINAL:
        return list(messages)
    first = next(index for index, message in enumerate(messages) if message.channel == Channel.FINAL)
    return [m for index, m in enumerate(messages) if index >= first or m.channel != Channel.ANALYSIS]


def _is_final(message: Message) -> bool:
    return message.author.role == Role.ASSISTANT and message.channel == Channel.FINAL


def _is_reasoning(message: Message) -> bool:
    is_analysis = message.author.role == Role.ASSISTANT and message.channel == Channel.ANALYSIS
    return is_analysis and message.recipient is None


def _has_functions(messages: Iterable[Message]) -> bool:
    return any(
        declares_functions(part)
        for message in messages
        if message.author.role == Role.DEVELOPER
        for part in message.content
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """The ids of one message; the first `prompt_length` are the prompt a generation would have started from."""

    ids: list[int]
    prompt_length: int


def _mask(written: _Written, message: Message, before: Message | None) -> list[int]:
    if message.author.role != Role.ASSISTANT:
        return [0] * len(written.ids)
    goes_on = (
        before is not None
        and before.author.role == Role.ASSISTANT
        and before.recipient is None
        and not _is_final(before)
    )
    prompt_length = 0 if goes_on else written.prompt_length
    mask = [0] * prompt_length + [1] * (len(written.ids) - prompt_length)
    if _is_final(message) and mask:
        mask[-1] = 0
    return mask


class _Writer:
    """Writes single messages as ids."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        recipient_position: RecipientPosition,
        schema_mode: SchemaMode,
        *,
        has_functions: bool,
    ) -> None:
        self.tokenizer = tokenizer
        self.recipient_position = recipient_position
        self.schema_mode = schema_mode
        self.has_functions = has_functions

    def prompt(self, role: Role) -> list[int]:
        return [self.tokenizer.start, *self.tokenizer.encode(role)]

    def message(self, message: Message) -> _Written:
        prompt = self.prompt(message.author.role)
        ids = self._composed(message) if message.ids is None else self._sampled(message, message.ids)
        prompt_length = len(prompt) if ids[: len(prompt)] == prompt else 0
        return _Written(ids=ids, prompt_length=prompt_length)

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
    return f"{author.role}:{author.name}" if author.name else author.role
