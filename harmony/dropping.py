"""Which messages a rendering keeps: earlier reasoning is left out once its turn is answered."""

from collections.abc import Iterable
from enum import StrEnum
from itertools import compress

from ostinato.harmony.message import Channel, Message, Role


class DropAnalysis(StrEnum):
    """Which earlier reasoning is left out.

    NONE keeps all. COMPLETED_TURNS leaves out the reasoning that came before the last final answer, and keeps calls of
    tools with their results. PARITY does what openai-harmony 0.0.8 does: it drops what comes before the *first* final
    answer, calls included, and only while the last assistant message is a final answer.
    """

    NONE = "none"
    COMPLETED_TURNS = "completed_turns"
    PARITY = "parity"


def kept_messages(messages: Iterable[Message], policy: DropAnalysis) -> list[Message]:
    """Return the messages that the policy keeps."""
    messages = list(messages)
    selection = Selection(policy)
    for message in messages:
        selection.append(message)
    return list(compress(messages, selection.kept))


class Selection:
    """Decides which messages are kept, while they come in: `kept` has one entry for each."""

    def __init__(self, policy: DropAnalysis) -> None:
        self.kept: list[bool] = []
        self._policy = policy
        self._droppable: list[int] = []  # the reasoning that the next final answer drops; in parity, the first one
        self._has_final = False
        self._is_dropping = False

    def append(self, message: Message) -> int:
        """Take the next message; return the index from which on the selection is another than before."""
        index = len(self.kept)
        self.kept.append(True)
        match self._policy:
            case DropAnalysis.NONE:
                return index
            case DropAnalysis.COMPLETED_TURNS:
                return self._completed(index, message)
            case DropAnalysis.PARITY:
                return self._as_the_library(index, message)

    def _completed(self, index: int, message: Message) -> int:
        if is_reasoning(message):
            self._droppable.append(index)
        if not is_final(message):
            return index
        first = self._mark(kept=False, otherwise=index)
        self._droppable = []
        return first

    def _as_the_library(self, index: int, message: Message) -> int:
        if message.channel == Channel.FINAL:
            self._has_final = True  # in any role
        elif message.channel == Channel.ANALYSIS and not self._has_final:
            self._droppable.append(index)
        was_dropping = self._is_dropping
        if message.author.role == Role.ASSISTANT:
            self._is_dropping = message.channel == Channel.FINAL
        return index if self._is_dropping == was_dropping else self._mark(kept=was_dropping, otherwise=index)

    def _mark(self, *, kept: bool, otherwise: int) -> int:
        for index in self._droppable:
            self.kept[index] = kept
        return self._droppable[0] if self._droppable else otherwise


def is_final(message: Message) -> bool:
    """Whether the message answers the user and so ends a turn."""
    return message.author.role == Role.ASSISTANT and message.channel == Channel.FINAL


def is_reasoning(message: Message) -> bool:
    """Whether the message is the model's thought, and calls nothing."""
    is_analysis = message.author.role == Role.ASSISTANT and message.channel == Channel.ANALYSIS
    return is_analysis and message.recipient is None
