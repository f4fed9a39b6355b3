"""What all sandboxes with our program inside share: calls over one channel, deadlines, replacement, hostile replies.

A subclass opens a *box*: something running `program.py` that is spoken to over two streams of bytes. All blocking
work of one sandbox is done in one thread of its own: calls wait for each other, and the event loop waits for none.
"""

import asyncio
import base64
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Lock
from typing import Protocol, TypeVar

from ostinato.sandbox.files import CHUNK_BYTES
from ostinato.sandbox.frames import BadFrame, Frame, Rules, Unpacker, pack
from ostinato.sandbox.interface import Limits, Outcome, SandboxError, SandboxFileError, SandboxUnavailable
from ostinato.sandbox.replies import FileReply, Ready, parse, parse_outcome

START_SECONDS = 60.0
FILE_SECONDS = 30.0
Result = TypeVar("Result")


class Box(Protocol):
    """A running program that answers frames."""

    def send(self, content: bytes) -> None:
        """Write all of `content`."""

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes, none at the end of the stream; raise TimeoutError if nothing comes in time."""

    def last_words(self) -> str:
        """Return what the program wrote to its stderr."""

    def destroy(self) -> None:
        """End the box and all in it for certain; from any thread, more than once."""


class BoxEnded(Exception):  # noqa: N818  (states a condition)
    """The box closed its channel."""


class Withdrawn(Exception):  # noqa: N818  (states a condition)
    """The caller of a request was cancelled before the request was sent."""


class Channel:
    """Requests and replies, one at a time, with a fresh number for each that only its reply may carry."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self._unpacker = Unpacker()
        self._lock = Lock()

    def send(self, frame: Frame, *, unless: Event | None = None) -> None:
        """Write one frame; from any thread."""
        try:
            with self._lock:
                if unless is not None and unless.is_set():
                    raise Withdrawn
                self.box.send(pack(frame))
        except OSError as error:
            raise BoxEnded from error

    def ask(self, request: Frame, *, within: float, unless: Event | None = None) -> Frame:
        """Send `request`, `unless` that is set by then, and return the reply.

        Raises:
            TimeoutError: if no reply comes `within` so many seconds.
            BoxEnded: if the box is gone.
            BadFrame: if what came is not the reply.
            Withdrawn: if nothing was sent.

        """
        number = secrets.token_hex(16)
        self.send({"id": number, **request}, unless=unless)
        return self.wait(number, within)

    def wait(self, number: str, seconds: float) -> Frame:
        """Return the next frame, which must carry `number`."""
        deadline = time.monotonic() + seconds
        while True:
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            try:
                received = self.box.receive(left)
            except TimeoutError:
                raise
            except OSError as error:
                raise BoxEnded from error
            if not received:
                raise BoxEnded
            frames = self._unpacker.feed(received)
            if len(frames) > 1 or any(frame.get("id") != number for frame in frames):
                raise BadFrame("a reply that nobody asked for")
            if frames:
                return frames[0]


class ChannelSandbox(ABC):
    """A sandbox whose program is reached over a channel; see `interface.Sandbox` for what the methods promise."""

    kind: str
    answer_seconds = (
        9.0  # over a deadline, until the sandbox is given up: the supervisor's grace, cleaning up, and more
    )

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._channel: Channel | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sandbox")

    @abstractmethod
    def _open(self) -> Box:
        """Start a box; blocking. Raises SandboxUnavailable."""

    def _rules(self) -> Rules:
        memory = self.limits.memory_bytes  # a little less for one process, so that it gets a MemoryError and lives
        return Rules(memory_bytes=memory, output_chars=self.limits.output_chars, rlimits={"DATA": memory * 15 // 16})

    async def start(self) -> None:
        """Make the sandbox ready."""
        await self._run(self._ready)

    async def execute(self, code: str, *, timeout: float | None = None) -> Outcome:  # noqa: ASYNC109  (enforced inside)
        """Run `code` after all that ran before."""
        seconds = self.limits.seconds if timeout is None else timeout
        stop = Event()
        return await self._run(lambda: self._execute(code, seconds, stop), stop)

    async def put(self, path: str, content: bytes) -> None:
        """Write a file below /mnt/data."""
        if len(content) > self.limits.disk_bytes:
            raise SandboxFileError(f"{path!r} has {len(content)} bytes; at most {self.limits.disk_bytes} are allowed")
        await self._run(lambda: self._put(path, content))

    async def get(self, path: str) -> bytes:
        """Read a regular file below /mnt/data."""
        return await self._run(lambda: self._get(path))

    async def close(self) -> None:
        """End the sandbox and free all it holds."""
        if channel := self._channel:
            await asyncio.to_thread(channel.box.destroy)  # frees the thread if it waits for this box
        await self._run(self._drop)
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sandbox")

    async def _run(self, work: Callable[[], Result], stop: Event | None = None) -> Result:
        job = self._thread.submit(work)
        result = asyncio.wrap_future(job)
        result.add_done_callback(_see_error)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            if not job.cancel():
                await self._settle(result, stop)
            raise

    async def _settle(self, job: "asyncio.Future[Result]", stop: Event | None) -> None:
        """Interrupt the running job, wait until it is over, and end its box if that takes too long."""
        if stop is not None:
            stop.set()
            with suppress(BoxEnded):
                if channel := self._channel:
                    channel.send({"id": "", "op": "interrupt"})  # after the job's own request, or the job sends none
        try:
            await asyncio.wait([job], timeout=self.answer_seconds)
        finally:
            if not job.done() and (channel := self._channel):
                await asyncio.to_thread(channel.box.destroy)

    def _ready(self) -> Channel:
        if self._channel is not None:
            return self._channel
        box = self._open()
        try:
            channel = Channel(box)
            ready = parse(Ready, channel.wait("ready", START_SECONDS))
        except (TimeoutError, BoxEnded, BadFrame) as error:
            words = box.last_words() or repr(error)
            box.destroy()
            raise SandboxUnavailable(f"the {self.kind} sandbox did not start: {words}") from error
        if ready.faults:
            box.destroy()
            raise SandboxUnavailable(f"the {self.kind} sandbox is not tight here: {'; '.join(ready.faults)}")
        self._channel = channel
        return channel

    def _drop(self) -> None:
        if self._channel is not None:
            self._channel.box.destroy()
            self._channel = None

    def _execute(self, code: str, seconds: float, stop: Event) -> Outcome:
        channel = self._ready()
        try:
            request: Frame = {"op": "execute", "code": code, "seconds": seconds}
            reply = channel.ask(request, within=seconds + self.answer_seconds, unless=stop)
            return parse_outcome(reply, self.limits)
        except TimeoutError:
            why = f"timed out after {seconds:g} s and nothing in the sandbox answered"
            return self._replaced(why, timed_out=True)
        except Withdrawn:
            return Outcome()  # for nobody
        except BoxEnded:
            return self._replaced("the sandbox was killed by what ran in it")
        except BadFrame:
            return self._replaced("the sandbox sent something unreadable")

    def _replaced(self, why: str, *, timed_out: bool = False) -> Outcome:
        self._drop()
        notice = f"{why}; it is replaced by a new one, so variables and files are lost"
        return Outcome(notices=(notice,), timed_out=timed_out, state_lost=True)

    def _put(self, path: str, content: bytes) -> None:
        for offset in range(0, max(1, len(content)), CHUNK_BYTES):
            chunk = base64.b64encode(content[offset : offset + CHUNK_BYTES]).decode("ascii")
            last = offset + CHUNK_BYTES >= len(content)
            self._ask_for_file({"op": "put", "path": path, "offset": offset, "content": chunk, "last": last})

    def _get(self, path: str) -> bytes:
        content = bytearray()
        while True:
            reply = self._ask_for_file({"op": "get", "path": path, "offset": len(content)})
            if max(reply.size, len(content)) > self.limits.disk_bytes:
                raise SandboxFileError(f"{path!r} has more than {self.limits.disk_bytes} bytes")
            content += reply.content
            if not reply.content or len(content) >= reply.size:
                return bytes(content)

    def _ask_for_file(self, request: Frame) -> FileReply:
        try:
            reply = parse(FileReply, self._ready().ask(request, within=FILE_SECONDS))
        except (TimeoutError, BoxEnded, BadFrame) as error:
            self._drop()
            raise SandboxError("the sandbox did not answer and was ended; variables and files are lost") from error
        if reply.failure is not None:
            raise SandboxFileError(reply.failure)
        return reply


def _see_error(job: "asyncio.Future[Result]") -> None:
    """Look at an error that a cancelled caller will not: unseen ones are reported when they are forgotten."""
    if not job.cancelled():
        job.exception()
