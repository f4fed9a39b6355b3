"""One channel to a program in a box: requests and replies under a deadline, and interrupts from another thread."""

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Protocol

from ostinato.sandbox.frames import BadFrame, Frame, Unpacker, pack


class Box(Protocol):
    """A running program that answers frames."""

    def send(self, content: bytes, seconds: float) -> None:
        """Write all of `content`; raise TimeoutError if that takes longer."""

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, none at the end of the stream; raise TimeoutError if nothing comes in time."""

    def last_words(self) -> str:
        """Return what the program wrote to its stderr."""

    def destroy(self) -> None:
        """End the box and all in it for certain; from any thread, more than once."""


class BoxEnded(Exception):  # noqa: N818  (states a condition)
    """The box closed its channel."""


class Withdrawn(Exception):  # noqa: N818  (states a condition)
    """Nobody wants a request any more that was not sent yet."""


@dataclass(slots=True, eq=False)
class Call:
    """A call as the event loop and the thread both see it: the number of its requests, and whether it shall end."""

    number: str = field(default_factory=lambda: secrets.token_hex(16))
    withdrawn: Event = field(default_factory=Event)
    is_closed: bool = False  # withdrawn because the sandbox is closed: the caller still waits


class Channel:
    """Requests and replies, one at a time; only the reply to a call may carry its number."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self._unpacker = Unpacker()
        self._lock = Lock()

    def ask(self, request: Frame, call: Call, *, within: float) -> Frame:
        """Send `request` for `call` and return the reply.

        Raises:
            TimeoutError: if no reply comes `within` so many seconds.
            BoxEnded: if the box is gone.
            BadFrame: if what came is not the reply.
            Withdrawn: if the call was withdrawn before; nothing was sent.

        """
        deadline = time.monotonic() + within
        with self._lock:
            if call.withdrawn.is_set():
                raise Withdrawn
            self._send({"id": call.number, **request}, within)
        return self.wait(call.number, deadline - time.monotonic())

    def interrupt(self, call: Call, *, within: float) -> None:
        """Interrupt what a withdrawn call runs; from any thread. Another call's execution is not touched."""
        with self._lock, suppress(TimeoutError, BoxEnded):
            self._send({"id": call.number, "op": "interrupt"}, within)

    def wait(self, number: str, seconds: float) -> Frame:
        """Return the next frame, which must carry `number`."""
        deadline = time.monotonic() + seconds
        while True:
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            try:
                received = self.box.receive(left)
            except TimeoutError:
                continue  # an interrupt from another thread may have set a shorter time on the same socket
            except OSError as error:
                raise BoxEnded from error
            if not received:
                raise BoxEnded
            frames = self._unpacker.feed(received)
            if len(frames) > 1 or any(frame.get("id") != number for frame in frames):
                raise BadFrame("a reply that nobody asked for")
            if frames:
                return frames[0]

    def _send(self, frame: Frame, seconds: float) -> None:
        try:
            self.box.send(pack(frame), seconds)
        except TimeoutError:
            raise
        except OSError as error:
            raise BoxEnded from error
