"""What a sandbox may send: checked field by field, cut to size and made safe to print."""

import base64
import re
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ostinato.sandbox.frames import BadFrame, Frame, head_and_tail
from ostinato.sandbox.interface import Limits, Outcome
from ostinato.sandbox.worker import MAX_IMAGE_BYTES, MAX_IMAGES

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
CUT_MARK_CHARS = 100
UNSAFE_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _decode(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return base64.b64decode(value, validate=True)


Base64 = Annotated[bytes, BeforeValidator(_decode)]
Notice = Annotated[str, Field(max_length=500)]
Failure = Annotated[str, Field(max_length=10_000)]  # it names a path, in which each character may be escaped


class Reply(BaseModel):
    """A frame of which every field is known."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str


class Ready(Reply):
    """The first frame: the program runs."""

    faults: list[Notice]
    python: str


class FileReply(Reply):
    """The answer to a put or a get."""

    failure: Failure | None = None
    content: Base64 = b""
    size: int = Field(default=0, ge=0)


class Execution(Reply):
    """The answer to an execute."""

    stdout: str
    stderr: str
    result: str | None
    error: str | None
    images: list[Base64] = Field(max_length=MAX_IMAGES)
    notices: list[Notice] = Field(max_length=20)
    timed_out: bool
    truncated: bool
    state_lost: bool


AnyReply = TypeVar("AnyReply", bound=Reply)


def parse(shape: type[AnyReply], frame: Frame) -> AnyReply:
    """Return `frame` as `shape`.

    Raises:
        BadFrame: if a field is missing, unknown or of another type.

    """
    try:
        return shape.model_validate(frame)
    except ValidationError as error:
        raise BadFrame(str(error)) from error


def parse_outcome(frame: Frame, limits: Limits) -> Outcome:
    """Return the answer to an execute as an Outcome; raises BadFrame as `parse` does."""
    reply = parse(Execution, frame)
    return Outcome(
        stdout=clean(reply.stdout, limits),
        stderr=clean(reply.stderr, limits),
        result=None if reply.result is None else clean(reply.result, limits),
        error=None if reply.error is None else clean(reply.error, limits),
        images=tuple(i for i in reply.images if i.startswith(PNG_MAGIC) and len(i) <= MAX_IMAGE_BYTES),
        notices=tuple(clean(notice, limits) for notice in reply.notices),
        timed_out=reply.timed_out,
        truncated=reply.truncated,
        state_lost=reply.state_lost,
    )


def clean(text: str, limits: Limits) -> str:
    """Return `text` without what moves a terminal's cursor or turns the order of its characters.

    It is not longer than a sandbox that obeys sends it.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "backslashreplace").decode("utf-8")
    text = head_and_tail(text, limits.output_chars + CUT_MARK_CHARS)
    return UNSAFE_CHARACTERS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
