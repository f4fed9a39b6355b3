"""The trajectory of a run: JSON lines, written and flushed as things happen, so that `kill -9` loses nothing before it.

Every line is an object with a `type` and `at`, the seconds since the run began:

    run        the first line: versions, engine, effort, sampling, budget, tools, when
    message    a message of the conversation, with the ids it was sampled as
    turn       one generation: the ids as the engine gave them, and how many tokens its prompt had
    tool       who answered a call, and how long it took
    repair     how something malformed was read
    finished   the reason, the answer and the usage
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from pydantic import TypeAdapter

from ostinato.harmony import Message

FORMAT = "ostinato-trajectory-1"
_MESSAGE = TypeAdapter(Message)


class Trajectory:
    """An append-only record of one run."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path = path
        self._file = file
        self._started = time.monotonic()

    @classmethod
    def create(cls, path: str | Path) -> "Trajectory":
        """Start a new file, with the folders above it.

        Raises:
            OSError: if it cannot be written; FileExistsError if it is there, because a run is never overwritten.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path, path.open("x", encoding="utf-8"))

    @classmethod
    def create_in(cls, folder: Path) -> "Trajectory":
        """Start a new file in `folder`, named for the moment.

        Raises:
            OSError: if it cannot be written.
        """
        return cls.create(folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl")

    def write(self, kind: str, /, **fields: object) -> None:
        """Append one record and hand it to the system; a run that outlives its record is not recorded further."""
        if self._file.closed:
            return
        record = {"type": kind, "at": round(time.monotonic() - self._started, 6), **fields}
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def write_message(self, message: Message) -> None:
        """Append a message."""
        self.write("message", message=_MESSAGE.dump_python(message, mode="json"))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Trajectory":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A trajectory read back: all records as they were written, and what they say."""

    records: tuple[dict[str, Any], ...]

    @property
    def messages(self) -> list[Message]:
        """The conversation as far as it came."""
        return [_MESSAGE.validate_python(record["message"]) for record in self._of("message")]

    @property
    def turns(self) -> list[list[int]]:
        """The ids of every generation, as `ScriptedEngine` takes them."""
        return [record["ids"] for record in self._of("turn")]

    @property
    def reason(self) -> str | None:
        """Why the last run ended; None if the process was killed first."""
        return next((record["reason"] for record in reversed(self.records) if record["type"] == "finished"), None)

    def _of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (record for record in self.records if record["type"] == kind)


def read_trajectory(path: str | Path) -> Recording:
    """Read a trajectory; a last line that a kill cut short is left out.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a trajectory.
    """
    lines = Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    complete = lines[:-1]  # after the last line break there is nothing, or a torn record
    try:
        records = tuple(json.loads(line) for line in complete)
        if not all("type" in record for record in records) or records[0]["format"] != FORMAT:
            raise ValueError(f"its records are not those of {FORMAT}")
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is not a trajectory: {error}") from error
    return Recording(records=records)
