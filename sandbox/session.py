"""What all sandboxes with our program inside share: calls over one channel, deadlines, replacement, hostile replies.

A subclass opens a *box*: something running `program.py` that is spoken to over two streams of bytes. All blocking
work of one sandbox is done in one thread of its own: calls wait for each other, and the event loop waits for none.
"""

import asyncio
import base64
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ostinato.sandbox.channel import Box, BoxEnded, Call, Channel, Withdrawn
from ostinato.sandbox.files import CHUNK_BYTES, MAX_PATH_CHARS
from ostinato.sandbox.frames import BadFrame, Frame, Rules
from ostinato.sandbox.interface import (
    Limits,
    Outcome,
    SandboxError,
    SandboxFileError,
    SandboxUnavailable,
    check_seconds,
)
from ostinato.sandbox.replies import FileReply, Ready, clean, parse, parse_outcome

START_SECONDS = 60.0
FILE_SECONDS = 30.0
Result = TypeVar("Result")


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
        self._calls: set[Call] = set()
        self._untold: tuple[str, ...] = ()  # how variables were lost in calls whose outcome nobody saw

    @abstractmethod
    def _open(self) -> Box:
        """Start a box; blocking. Raises SandboxUnavailable."""

    def _rules(self) -> Rules:
        memory = self.limits.memory_bytes  # a little less for one process, so that it gets a MemoryError and lives
        return Rules(memory_bytes=memory, output_chars=self.limits.output_chars, rlimits={"DATA": memory * 15 // 16})

    async def start(self) -> None:
        """Make the sandbox ready."""
        await self._run(lambda _: self._ready())

    async def execute(self, code: str, *, timeout: float | None = None) -> Outcome:  # noqa: ASYNC109  (enforced inside)
        """Run `code` after all that ran before."""
        seconds = self.limits.seconds if timeout is None else timeout
        check_seconds(seconds)
        outcome = await self._run(lambda call: self._execute(code, seconds, call))
        untold, self._untold = self._untold, ()
        return replace(outcome, notices=(*untold, *outcome.notices), state_lost=True) if untold else outcome

    async def put(self, path: str, content: bytes) -> None:
        """Write a file below /mnt/data."""
        check_path(path)
        if len(content) > self.limits.disk_bytes:
            raise SandboxFileError(f"{path!r} has {len(content)} bytes; at most {self.limits.disk_bytes} are allowed")
        await self._run(lambda call: self._put(path, content, call))

    async def get(self, path: str) -> bytes:
        """Read a regular file below /mnt/data."""
        check_path(path)
        return await self._run(lambda call: self._get(path, call))

    async def close(self) -> None:
        """End the sandbox and free all it holds."""
        for call in self._calls:
            call.is_closed = True
            call.withdrawn.set()
        release = asyncio.wrap_future(self._thread.submit(self._release))  # before any later call
        if channel := self._channel:
            await asyncio.to_thread(channel.box.destroy)  # frees the thread if it waits for this box
        await release

    async def _run(self, work: Callable[[Call], Result]) -> Result:
        call = Call()
        self._calls.add(call)
        job = self._thread.submit(work, call)
        result = asyncio.wrap_future(job)
        result.add_done_callback(_see_error)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            if not job.cancel():
                await self._settle(result, call)
            raise
        finally:
            self._calls.discard(call)

    async def _settle(self, job: "asyncio.Future[Result]", call: Call) -> None:
        """Interrupt the running job, wait until it is over, and end its box if that takes too long."""
        job.add_done_callback(self._remember_loss)
        call.withdrawn.set()
        channel = self._channel
        if channel is not None:  # the request may be on its way still, so another thread waits for that
            interrupt = partial(channel.interrupt, call, within=self.answer_seconds)
            asyncio.get_running_loop().run_in_executor(None, interrupt)
        try:
            await asyncio.wait([job], timeout=self.answer_seconds)
        finally:
            if not job.done() and (channel := self._channel):
                await asyncio.to_thread(channel.box.destroy)

    def _remember_loss(self, job: "asyncio.Future[Result]") -> None:
        """Keep for the next outcome that a cancelled call cost the variables."""
        if job.cancelled() or job.exception():
            return
        outcome = job.result()
        if isinstance(outcome, Outcome) and outcome.state_lost:
            self._untold += outcome.notices

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
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.box.destroy()

    def _release(self) -> None:
        """Free all there is; in the thread."""
        self._untold = ()
        self._drop()

    def _execute(self, code: str, seconds: float, call: Call) -> Outcome:
        request: Frame = {"op": "execute", "code": code, "seconds": seconds}
        try:
            reply = self._ask(request, call, within=seconds + self.answer_seconds)
            return parse_outcome(reply, self.limits)
        except Withdrawn:
            return _closed() if call.is_closed else Outcome()  # for nobody
        except TimeoutError:
            why = f"timed out after {seconds:g} s and nothing in the sandbox answered"
            return self._replaced(why, timed_out=True)
        except BoxEnded:
            return _closed() if call.is_closed else self._replaced("the sandbox was killed by what ran in it")
        except BadFrame:
            return self._replaced("the sandbox sent something unreadable")

    def _ask(self, request: Frame, call: Call, *, within: float) -> Frame:
        if call.withdrawn.is_set():
            raise Withdrawn  # and start no sandbox for it
        return self._ready().ask(request, call, within=within)

    def _replaced(self, why: str, *, timed_out: bool = False) -> Outcome:
        self._drop()
        notice = f"{why}; it is replaced by a new one, so variables and files are lost"
        return Outcome(notices=(notice,), timed_out=timed_out, state_lost=True)

    def _put(self, path: str, content: bytes, call: Call) -> None:
        for offset in range(0, max(1, len(content)), CHUNK_BYTES):
            chunk = base64.b64encode(content[offset : offset + CHUNK_BYTES]).decode("ascii")
            last = offset + CHUNK_BYTES >= len(content)
            self._ask_for_file({"op": "put", "path": path, "offset": offset, "content": chunk, "last": last}, call)

    def _get(self, path: str, call: Call) -> bytes:
        content = bytearray()
        while True:
            reply = self._ask_for_file({"op": "get", "path": path, "offset": len(content)}, call)
            if max(reply.size, len(content)) > self.limits.disk_bytes:
                raise SandboxFileError(f"{path!r} has more than {self.limits.disk_bytes} bytes")
            content += reply.content
            if not reply.content or len(content) >= reply.size:
                return bytes(content)

    def _ask_for_file(self, request: Frame, call: Call) -> FileReply:
        try:
            reply = parse(FileReply, self._ask(request, call, within=FILE_SECONDS))
        except Withdrawn:
            raise SandboxError("the sandbox was closed before the file was copied") from None
        except (TimeoutError, BoxEnded, BadFrame) as error:
            self._drop()
            if not call.is_closed:
                self._untold += ("the sandbox did not answer and was replaced, so variables and files are lost",)
            raise SandboxError("the sandbox did not answer and was ended; variables and files are lost") from error
        if reply.failure is not None:
            raise SandboxFileError(clean(reply.failure, self.limits))
        return reply


def check_path(path: str) -> None:
    """Raise SandboxFileError for what is no path on any system, without asking the sandbox."""
    if len(path) > MAX_PATH_CHARS:
        raise SandboxFileError(f"a path of {len(path)} characters; at most {MAX_PATH_CHARS} are allowed")
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SandboxFileError(f"{path!r} is not a path: it has characters that are none") from error


def _closed() -> Outcome:
    return Outcome(notices=("the sandbox was closed, so variables and files are lost",), state_lost=True)


def _see_error(job: "asyncio.Future[Result]") -> None:
    """Look at an error that a cancelled caller will not: unseen ones are reported when they are forgotten."""
    if not job.cancelled():
        job.exception()
