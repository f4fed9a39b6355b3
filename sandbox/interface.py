"""What a sandbox is: a place where model-written Python runs, keeps its state between calls, and harms nothing."""

from dataclasses import dataclass
from typing import Protocol

MAX_OUTPUT_CHARS = 500_000
MAX_SECONDS = 10.0**6


class SandboxError(Exception):
    """The sandbox itself cannot work; the message says why and what to do. Code that fails is an Outcome, not this.

    SandboxError
    ├── SandboxUnavailable   there is no Docker engine, no bubblewrap, or no image
    └── SandboxFileError     a file cannot be put or got: not below /mnt/data, a link, too large, not there
    """


class SandboxUnavailable(SandboxError):  # noqa: N818  (states a condition)
    """Such a sandbox cannot be had on this machine; the message says how to get it."""


class SandboxFileError(SandboxError):
    """A file cannot be put into the sandbox or got from it; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the code in a sandbox may use.

    `seconds` is for one call; `disk_bytes` and `files` hold for /tmp, /dev/shm and /mnt/data each, which also count as
    memory; `output_chars` is kept of stdout, of stderr, of the result and of the error each (of the streams, in bytes).
    """

    seconds: float = 120.0
    memory_bytes: int = 512 * 2**20
    processes: int = 128
    cpus: float = 1.0
    disk_bytes: int = 64 * 2**20
    files: int = 10_000
    output_chars: int = 20_000

    def __post_init__(self) -> None:
        check_seconds(self.seconds)
        if min(self.memory_bytes, self.processes, self.cpus, self.disk_bytes, self.files) <= 0:
            raise ValueError(f"every limit must be above zero: {self!r}")
        if not 100 <= self.output_chars <= MAX_OUTPUT_CHARS:
            raise ValueError(f"output_chars is {self.output_chars!r}; it must be from 100 to {MAX_OUTPUT_CHARS}")


def check_seconds(seconds: float) -> None:
    """Raise ValueError for what is no duration that a call can be given."""
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"a time limit of {seconds!r} seconds; it must be above 0 and at most {MAX_SECONDS:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one execution.

    `result` is the repr of a last expression that is not None; `error` the traceback of an uncaught exception.
    `images` are PNG files, the matplotlib figures that were open at the end. `notices` are plain sentences of the
    sandbox itself: a timeout, an interpreter that died, processes left running. `state_lost` says that the variables
    of earlier calls are gone. Control characters in the texts are escaped.
    """

    stdout: str = ""
    stderr: str = ""
    result: str | None = None
    error: str | None = None
    images: tuple[bytes, ...] = ()
    notices: tuple[str, ...] = ()
    timed_out: bool = False
    truncated: bool = False
    state_lost: bool = False


class Sandbox(Protocol):
    """A stateful Python interpreter that is safe to give to hostile code.

    Calls to one sandbox wait for each other. Cancelling a call interrupts its code; the sandbox stays usable.
    """

    @property
    def kind(self) -> str:
        """The name it is chosen by: docker, bubblewrap."""

    @property
    def limits(self) -> Limits:
        """What the code may use."""

    async def start(self) -> None:
        """Make the sandbox ready; `execute` does so by itself when needed.

        Raises:
            SandboxUnavailable: with what is missing and how to get it.

        """

    async def execute(self, code: str, *, timeout: float | None = None) -> Outcome:  # noqa: ASYNC109  (enforced inside)
        """Run `code` after all that ran before; `timeout` is in seconds, None for `limits.seconds`.

        Raises:
            SandboxError: if the sandbox cannot be started or restarted.
            ValueError: for a `timeout` that is not above zero, or no number.

        """

    async def put(self, path: str, content: bytes) -> None:
        """Write a file below /mnt/data; folders on the way are made.

        Raises:
            SandboxFileError: for a path elsewhere, through a link, or without room.

        """

    async def get(self, path: str) -> bytes:
        """Read a regular file below /mnt/data.

        Raises:
            SandboxFileError: for a path elsewhere, a link, a device, nothing, or more than `limits.disk_bytes`.

        """

    async def close(self) -> None:
        """End the sandbox and free all it holds; it can be started again.

        Calls that wait or run end at once: an `execute` with an Outcome that says so, others with a SandboxError.
        """
