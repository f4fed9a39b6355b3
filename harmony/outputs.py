"""What the parser returns, and where it is."""

from dataclasses import dataclass
from enum import StrEnum

from ostinato.harmony.message import Message
from ostinato.harmony.repair import Repair


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A piece of a message's text. Joined, the deltas of a message are its text."""

    text: str
    channel: str | None
    recipient: str | None


Output = Delta | Message | Repair


class ParserState(StrEnum):
    """Where in a message the parser is; the head of parser.py says what each kind of id does there."""

    BETWEEN = "between"
    HEADER = "header"
    CONTENT = "content"
    FORGED = "forged"
    HELD = "held"
