"""A conversation: the messages so far, in order."""

from collections.abc import Iterable, Iterator

from ostinato.harmony.message import Message


class Conversation:
    """A list of messages that grows at its end. Only the agent appends to it, and says anew what it said first."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages = list(messages)

    def append(self, message: Message) -> None:
        """Add a message at the end."""
        self._messages.append(message)

    def revise(self, index: int, message: Message) -> None:
        """Put another message in the place of one: the system message, when it says another effort."""
        self._messages[index] = message

    def __len__(self) -> int:
        return len(self._messages)

    def __getitem__(self, index: int) -> Message:
        return self._messages[index]

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)
