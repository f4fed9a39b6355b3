"""How a command ends: the codes that scripts read, and the error that carries one."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes: sysexits-like where there is a custom, distinct where a script may want to go on differently."""

    ANSWERED = 0
    FAILED = 1
    USAGE = 2
    BAD_INPUT = 42
    TURN_LIMIT = 53
    TOKEN_BUDGET = 54
    TIME_BUDGET = 55
    INTERRUPTED = 130


class CommandError(Exception):
    """What the user got wrong and should do: one line on stderr, and an exit code."""

    def __init__(self, message: str, *, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code
