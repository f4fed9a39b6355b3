"""Repairs of calls: what the model wrote, and what it was taken for."""

from dataclasses import dataclass
from enum import StrEnum


class CallRepairKind(StrEnum):
    """What was wrong with a call."""

    RECIPIENT = "recipient"  # no tool is reached by this name, but one by a name like it or by an alias
    BRACKETS = "brackets"  # the brackets at the end are not those that are open
    SURROUNDED = "surrounded"  # the arguments stand in other text
    WRAPPED = "wrapped"  # the arguments are inside an array, a string, or an envelope that names the function
    SYNTAX = "syntax"  # quotes, commas or colons are missing, or not JSON's
    BARE_TEXT = "bare_text"  # the text itself is the one argument


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRepair:
    """A call that could not be answered as it was `written`, and what was `assumed`: a recipient, or arguments."""

    written: str
    assumed: str
    kind: CallRepairKind = CallRepairKind.RECIPIENT
