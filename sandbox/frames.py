"""Messages between a sandbox and its host, and between the two processes inside: a length, then JSON.

Whoever reads treats every byte as hostile: a length over the limit or anything that is not a JSON object ends the
connection. This file also travels into the sandbox, so it uses the standard library only.
"""

import json
import struct
from dataclasses import dataclass

MAX_BYTES = 16 * 2**20
HEADER = struct.Struct(">I")

Frame = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the host wants enforced from inside; the rest is the engine's and the kernel's part."""

    memory_bytes: int
    output_chars: int
    rlimits: dict[str, int]
    max_files: int | None = None  # only where the file systems have no limit of their own
    counts_memory: bool = False  # only where no control group limits what all processes have together


class BadFrame(Exception):  # noqa: N818  (states a condition)
    """The other end sent something that is no message."""


def pack(frame: Frame) -> bytes:
    """Return the bytes of `frame`."""
    body = json.dumps(frame).encode("ascii")
    return HEADER.pack(len(body)) + body


class Unpacker:
    """Cuts a stream of bytes into frames.

    >>> Unpacker().feed(pack({"a": 1}))
    [{'a': 1}]
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, received: bytes) -> list[Frame]:
        """Take the next bytes and return the frames that are complete.

        Raises:
            BadFrame: for a length over `MAX_BYTES` and for a body that is not a JSON object.

        """
        self._pending += received
        frames = []
        while len(self._pending) >= HEADER.size:
            length = HEADER.unpack_from(self._pending)[0]
            if length > MAX_BYTES:
                raise BadFrame(f"a frame of {length} bytes; at most {MAX_BYTES} are allowed")
            end = HEADER.size + length
            if len(self._pending) < end:
                break
            frames.append(_parse(bytes(self._pending[HEADER.size : end])))
            del self._pending[:end]
        return frames


def head_and_tail(text: str, limit: int) -> str:
    """Return `text`, or its beginning and end with a line between that says how much is missing."""
    if len(text) <= limit:
        return text
    head, tail = limit - limit // 3, limit // 3
    return f"{text[:head]}\n… {len(text) - head - tail:,} characters cut …\n{text[len(text) - tail :]}"


def _parse(body: bytes) -> Frame:
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"a frame that is not JSON: {error}") from error
    if not isinstance(frame, dict):
        raise BadFrame(f"a frame that is not an object: {type(frame).__name__}")
    return frame
