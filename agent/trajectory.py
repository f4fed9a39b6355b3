"""The trajectory of a run: JSON lines, written and flushed as things happen, so that `kill -9` loses nothing before it.

Every line is an object with a `type` and `at`, the seconds since the run began:

    run        the first line: versions, engine, effort, sampling, budget, tools, when
    choice     which tools the next task may or must begin with, if it is not left to the model
    message    a message of the conversation, with the ids it was sampled as
    turn       one generation: the ids as the engine gave them, whether the model ended it by itself, what its tokens
               were spent on, and if asked for the logprobs of each id: its own, and the likeliest ids with theirs
    tool       who answered a call, how long it took, and all that it said if the model got only a part
    repair     how something malformed was read
    closed     reasoning that was made to end: why, and after how many tokens
    asked      the run was told to answer now
    effort     the effort or the limit of reasoning was changed: the system message from here on
    finished   the reason, the answer and the usage
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from pydantic import TypeAdapter

from ostinato.harmony import Message

FORMAT = "ostinato-trajectory-1"
_MESSAGE = TypeAdapter(Message)
_RECORDS = TypeAdapter(tuple[dict[str, Any], ...])
_IDS = TypeAdapter(list[int])


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
        # Half a surrogate pair, which is no UTF-8, is written as JSON's own escape for it.
        return cls(path, path.open("x", encoding="utf-8", errors="backslashreplace"))

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

    def write_message(self, message: Message, *, kind: str = "message", **fields: object) -> None:
        """Append a message, or a record of another kind that has one."""
        self.write(kind, **fields, message=_MESSAGE.dump_python(message, mode="json"))

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
    """A trajectory read back.

    `records` are as they were written, `messages` the conversation as far as it came, and `turns` the ids of every
    generation, as `ScriptedEngine` takes them. `reason` is why the last run ended; None if the process was killed
    first.
    """

    records: tuple[dict[str, Any], ...]
    messages: list[Message]
    turns: list[list[int]]
    reason: str | None


def read_trajectory(path: str | Path) -> Recording:
    """Read a trajectory; a last line that a kill cut short is left out.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not a trajectory.
    """
    lines = Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    complete = lines[:-1]  # after the last line break there is nothing, or a torn record
    try:
        return _recording(_RECORDS.validate_python([json.loads(line) for line in complete]))
    except (ValueError, LookupError, RecursionError) as error:
        reason = str(error).partition("\n")[0]  # pydantic goes on for lines
        raise ValueError(f"{path} is not a trajectory: {reason}") from error


def _recording(records: tuple[dict[str, Any], ...]) -> Recording:
    if not records or records[0].get("format") != FORMAT:
        raise ValueError(f"its first record is not that of {FORMAT}")
    return Recording(
        records=records,
        messages=_messages(records),
        turns=[_IDS.validate_python(record["ids"]) for record in _of(records, "turn")],
        reason=next((record["reason"] for record in _of(reversed(records), "finished")), None),
    )


def _messages(records: Iterable[dict[str, Any]]) -> list[Message]:
    """Return the conversation; a change of effort says its first message anew."""
    messages: list[Message] = []
    for record in records:
        if record["type"] == "message":
            messages.append(_MESSAGE.validate_python(record["message"]))
        elif record["type"] == "effort":
            messages[0] = _MESSAGE.validate_python(record["message"])
    return messages


def _of(records: Iterable[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (record for record in records if record["type"] == kind)
