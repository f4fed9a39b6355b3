"""Render: messages → token ids, for the model to go on from, or to learn from.

`render` writes a conversation once; `Renderer` follows one that grows, and encodes each message once. Both drop the
same reasoning (`dropping.py`) and write messages the same way (`writer.py`).
"""

from collections.abc import Iterable

from ostinato.harmony.conversation import Conversation
from ostinato.harmony.dropping import DropAnalysis, Selection, is_final, kept_messages
from ostinato.harmony.message import Message, Role
from ostinato.harmony.preamble import SystemContent
from ostinato.harmony.preamble_text import declares_functions
from ostinato.harmony.tokenizer import Tokenizer
from ostinato.harmony.tool_schema import SchemaMode
from ostinato.harmony.writer import RecipientPosition, Writer


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
    renderer = Renderer(
        Conversation(messages),
        tokenizer,
        drop_analysis=drop_analysis,
        recipient_position=recipient_position,
        schema_mode=schema_mode,
    )
    return renderer.ids(next_role=next_role)


class Renderer:
    """Renders a conversation that grows: `ids` is what `render` would give, and only new messages are encoded.

    A final answer that drops the reasoning of its turn rewrites the ids from that reasoning on. The first developer
    message that declares functions changes a line of the system message, which is encoded again.
    """

    def __init__(
        self,
        conversation: Conversation,
        tokenizer: Tokenizer,
        *,
        drop_analysis: DropAnalysis = DropAnalysis.COMPLETED_TURNS,
        recipient_position: RecipientPosition = RecipientPosition.CHANNEL,
        schema_mode: SchemaMode = SchemaMode.FIXED,
    ) -> None:
        self._conversation = conversation
        self._writer = Writer(tokenizer, recipient_position=recipient_position, schema_mode=schema_mode)
        self._selection = Selection(drop_analysis)
        self._preambles: list[int] = []  # the messages that say whether there are functions
        self._written: list[list[int] | None] = []  # the ids of each message, None until they are needed
        self._begins: list[int] = []  # where in `_ids` each rendered message begins
        self._ids: list[int] = []

    def ids(self, *, next_role: Role | None = Role.ASSISTANT) -> list[int]:
        """Render the conversation as it is now.

        Raises:
            HarmonyError: as `render`.
        """
        seen = len(self._written)
        changes = [self._take(self._conversation[index]) for index in range(seen, len(self._conversation))]
        self._forget_from(min(changes, default=seen))
        self._write_rest()
        return [*self._ids, *(() if next_role is None else self._writer.prompt(next_role))]

    def revise(self, index: int) -> None:
        """Note that a system or developer message was revised: it is encoded again, and all after it comes anew."""
        if index < len(self._written):
            self._written[index] = None
            self._forget_from(index)

    def _take(self, message: Message) -> int:
        """Note a new message; return the index from which on the rendering is another than before."""
        index = len(self._written)
        self._written.append(None)
        if any(isinstance(part, SystemContent) for part in message.content):
            self._preambles.append(index)
        first = self._selection.append(message)
        if self._writer.has_functions or not _declares_functions(message):
            return first
        self._writer.has_functions = True
        for preamble in self._preambles:
            self._written[preamble] = None
        return min([first, *self._preambles])

    def _forget_from(self, first: int) -> None:
        if first < len(self._begins):
            del self._ids[self._begins[first] :]
            del self._begins[first:]

    def _write_rest(self) -> None:
        for index in range(len(self._begins), len(self._written)):
            ids = self._ids_of(index) if self._selection.kept[index] else []
            self._begins.append(len(self._ids))
            self._ids += ids

    def _ids_of(self, index: int) -> list[int]:
        ids = self._written[index]
        if ids is None:
            ids = self._written[index] = self._writer.message(self._conversation[index])
        return ids


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
    messages = list(messages)
    writer = Writer(
        tokenizer,
        recipient_position=recipient_position,
        schema_mode=schema_mode,
        has_functions=any(map(_declares_functions, messages)),
    )
    kept = kept_messages(messages, drop_analysis)
    ids: list[int] = []
    mask: list[int] = []
    for index, message in enumerate(kept):
        written = writer.message(message)
        ids += written
        mask += _mask(written, message, kept[index - 1] if index else None, prompt=writer.prompt(Role.ASSISTANT))
    if kept and is_final(kept[-1]):
        ids[-1], mask[-1] = tokenizer.return_, 1
    return ids, mask


def _mask(written: list[int], message: Message, before: Message | None, *, prompt: list[int]) -> list[int]:
    if message.author.role != Role.ASSISTANT:
        return [0] * len(written)
    has_prompt = written[: len(prompt)] == prompt and not (before and _goes_on(before))
    given = len(prompt) if has_prompt else 0
    mask = [0] * given + [1] * (len(written) - given)
    if is_final(message):
        mask[-1] = 0
    return mask


def _goes_on(message: Message) -> bool:
    """Whether the generation that wrote this message wrote the next one too, the `<|start|>` and role with it."""
    return message.author.role == Role.ASSISTANT and message.recipient is None and not is_final(message)


def _declares_functions(message: Message) -> bool:
    return message.author.role == Role.DEVELOPER and any(map(declares_functions, message.content))
