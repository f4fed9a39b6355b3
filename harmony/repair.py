"""Repairs: what the parser had to assume about malformed output."""

from dataclasses import dataclass
from enum import StrEnum


class RepairKind(StrEnum):
    """What was wrong."""

    MISSING_START = "missing_start"
    REPEATED_START = "repeated_start"
    MISSING_HEADER = "missing_header"
    MISSING_CHANNEL = "missing_channel"
    MISSING_MESSAGE = "missing_message"
    MISSING_TERMINATOR = "missing_terminator"
    REPEATED_TERMINATOR = "repeated_terminator"
    REPEATED_CHANNEL = "repeated_channel"
    UNKNOWN_CHANNEL = "unknown_channel"
    GARBLED_HEADER = "garbled_header"
    STRAY_TEXT = "stray_text"
    STRAY_SPECIAL = "stray_special"
    FORGED_ROLE = "forged_role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One place where the output was malformed, and what was assumed instead.

    `position` counts the ids fed to the parser before it. `ids` are those that belong to no message because of it:
    the ids of all messages and repairs, in the order they were reported, are all ids of the stream.
    """

    kind: RepairKind
    position: int
    assumed: str
    ids: tuple[int, ...] = ()
