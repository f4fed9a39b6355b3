"""Messages: who says what to whom, on which channel.

The nouns are those of the harmony format (https://cookbook.openai.com/articles/openai-harmony).
"""

from dataclasses import dataclass
from enum import StrEnum

from ostinato.harmony.preamble import DeveloperContent, SystemContent


class Role(StrEnum):
    """Who a message comes from, in falling order of authority."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Channel(StrEnum):
    """The three channels an assistant speaks on.

    A parsed message may carry any other text as its channel: the model wrote it, so it is kept.
    """

    ANALYSIS = "analysis"
    COMMENTARY = "commentary"
    FINAL = "final"


Content = str | SystemContent | DeveloperContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The author of a message: a role, and for tools (and named users) a name."""

    role: Role
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation.

    `content_type` is a word of the header (`json`, `code`), with its token's name before it where the model is
    constrained to the type: `<|constrain|>json`.

    `ids` are the token ids the message was sampled as, from its `<|start|>` up to and including its terminator
    (either is missing if the model left it out). A message that has them is rendered as exactly these.
    """

    author: Author
    content: tuple[Content, ...]
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    ids: tuple[int, ...] | None = None

    @property
    def text(self) -> str:
        """The plain text of the message, without system or developer content."""
        return "".join(part for part in self.content if isinstance(part, str))

    @classmethod
    def system(cls, content: SystemContent) -> "Message":
        """Make the system message."""
        return cls(author=Author(role=Role.SYSTEM), content=(content,))

    @classmethod
    def developer(cls, content: DeveloperContent) -> "Message":
        """Make the developer message."""
        return cls(author=Author(role=Role.DEVELOPER), content=(content,))

    @classmethod
    def user(cls, text: str) -> "Message":
        """Make a message from the user."""
        return cls(author=Author(role=Role.USER), content=(text,))

    @classmethod
    def assistant(
        cls, text: str, *, channel: str, recipient: str | None = None, content_type: str | None = None
    ) -> "Message":
        """Make a message the assistant might have written (a sampled one comes from the parser, with its ids)."""
        author = Author(role=Role.ASSISTANT)
        return cls(author=author, content=(text,), channel=channel, recipient=recipient, content_type=content_type)

    @classmethod
    def tool(cls, text: str, *, name: str, channel: str | None, recipient: str | None = "assistant") -> "Message":
        """Make the reply of the tool called `name`."""
        return cls(author=Author(role=Role.TOOL, name=name), content=(text,), channel=channel, recipient=recipient)
