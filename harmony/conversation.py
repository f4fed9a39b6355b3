"""A conversation: the messages so far, in order."""

from collections.abc import Iterable, Iterator

from ostinato.harmony.message import Message


class Conversation:
    """An append-only list of messages. Only the agent appends to it."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages = list(messages)

    def append(self, message: Message) -> None:
        """Add a message at the end."""
        self._messages.append(message)

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, index: int) -> Message:
        return self._messages[index]

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)
