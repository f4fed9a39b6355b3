"""The first process inside a sandbox: owns the channel to the host, deadlines and output limits.

It forks the interpreter (`worker.py`), which runs the cells, and can therefore put a new one in its place:

    deadline ──▶ SIGINT ──▶ 2 s grace ──▶ kill everything, fork a new interpreter
                 variables kept           variables lost, files kept

As process 1 of its own namespace it cannot be killed or stopped from inside (the kernel drops signals to process 1
that it has no handler for), `kill(-1)` reaches everything but itself, and its end ends everything. It ends when the
host closes the channel. A host that gets no answer in time removes the whole sandbox.
"""

import base64
import contextlib
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import NoReturn

from ostinato.sandbox import confinement, files
from ostinato.sandbox.child import Capture, Child, describe_death, set_dumpable
from ostinato.sandbox.frames import BadFrame, Frame, Rules, Unpacker, pack
from ostinato.sandbox.watch import count_files, empty_folders, memory_in_use, oom_kills, processes
from ostinato.sandbox.worker import MAX_IMAGES

HOST_IN, HOST_OUT = 0, 1
GRACE_SECONDS = 2.0
CLEANUP_SECONDS = 1.0
BURIAL_SECONDS = 5.0
TICK_MILLISECONDS = 100
FLOOD_BYTES = 64 * 2**20
UNREADABLE = "the interpreter sent something unreadable and was killed"
PIPE_READS = 20  # of 64 KiB: more than a pipe holds (1 MiB, when a cell has enlarged it)


@dataclass(slots=True, kw_only=True)
class Run:
    """One execution as it goes on."""

    out: Capture
    err: Capture
    deadline: float
    patience: str
    oom_kills: int
    cell: int
    request: object  # the number the host gave it
    reply: Frame | None = None
    stopped: str | None = None  # why it was interrupted
    reminded: bool = False
    lost: bool = False
    died_before: bool = False  # the variables were lost between the last call and this one
    notices: list[str] = field(default_factory=list)


class Supervisor:
    """Answers the host's requests one after the other, for as long as the channel is open."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._host = Unpacker()
        self._waiting: list[Frame] = []
        self._cells = 0
        self._left_running = 0
        self._child = Child(rules)

    def serve(self) -> NoReturn:
        """Say what is not confined, then answer requests until the host goes."""
        self._send({"id": "ready", "faults": confinement.faults(), "python": sys.version.split()[0]})
        while True:
            while self._waiting:
                request = self._waiting.pop(0)
                answer = {"execute": self._execute, "put": self._put, "get": self._get}.get(str(request["op"]))
                if answer:  # what interrupts an execution that is over is none
                    self._send(answer(request) | {"id": request["id"]})
            self._listen()

    def _listen(self) -> None:
        received = os.read(HOST_IN, 2**16)
        if not received:
            os._exit(0)  # the host is gone, and with process 1 everything in here goes
        self._waiting += self._host.feed(received)

    def _send(self, frame: Frame) -> None:
        rest = memoryview(pack(frame))
        while rest:
            rest = rest[os.write(HOST_OUT, rest) :]

    def _put(self, request: Frame) -> Frame:
        path, offset = str(request["path"]), int(str(request["offset"]))
        try:
            content = base64.b64decode(str(request["content"]))
            files.write_chunk(path, content, offset=offset, last=bool(request["last"]))
        except files.FileRefused as refusal:
            return {"failure": str(refusal)}
        except OSError as error:
            return {"failure": files.reason(path, error)}
        return {}

    def _get(self, request: Frame) -> Frame:
        path = str(request["path"])
        try:
            content, size = files.read_chunk(path, offset=int(str(request["offset"])))
        except files.FileRefused as refusal:
            return {"failure": str(refusal)}
        except OSError as error:
            return {"failure": files.reason(path, error)}
        return {"content": base64.b64encode(content).decode("ascii"), "size": size}

    def _execute(self, request: Frame) -> Frame:
        self._cells += 1
        run = self._begin(request)
        cell = pack({"id": run.cell, "code": request["code"], "number": run.cell})
        poll = self._watch()
        while run.reply is None and not run.lost:
            cell = self._deliver(cell, poll)
            self._turn(run, poll)
            self._keep_deadline(run)
        if not run.lost:
            self._conclude(run)
        return self._report(run)

    def _begin(self, request: Frame) -> Run:
        seconds = float(str(request["seconds"]))
        limit = self._rules.output_chars
        run = Run(
            cell=self._cells,
            request=request["id"],
            out=Capture(limit),
            err=Capture(limit),
            deadline=time.monotonic() + seconds,
            patience=f"{seconds:g} s",
            oom_kills=oom_kills(),
        )
        self._reap()
        if self._child.status is not None:
            run.died_before = True
            run.notices.append(f"{describe_death(self._child.status)} after the last call; variables are lost")
            self._restart()
        self._drain(run)
        if run.out.total or run.err.total:
            run.notices.append("the output begins with what earlier calls' threads or processes wrote since")
        return run

    def _watch(self) -> select.poll:
        poll = select.poll()
        poll.register(self._child.control, select.POLLIN | select.POLLOUT)
        for descriptor in (HOST_IN, self._child.out, self._child.err, self._child.handle):
            poll.register(descriptor, select.POLLIN)
        return poll

    def _deliver(self, cell: bytes, poll: select.poll) -> bytes:
        """Write what the interpreter takes of the cell now; a hostile one may not read at all."""
        if not cell:
            return cell
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            cell = cell[self._child.control.send(cell) :]
        if not cell:
            with contextlib.suppress(FileNotFoundError):  # the other end says no more, and is not listened to
                poll.modify(self._child.control, select.POLLIN)
        return cell

    def _turn(self, run: Run, poll: select.poll) -> None:
        """Wait a little for news from any side and take it in."""
        child = self._child
        ready = {descriptor for descriptor, _ in poll.poll(TICK_MILLISECONDS)}
        for descriptor, capture in ((child.out, run.out), (child.err, run.err)):
            if descriptor in ready and not self._read_into(capture, descriptor):
                poll.unregister(descriptor)
        if child.control.fileno() in ready:
            self._hear(run, poll)
        if HOST_IN in ready:
            self._listen()
        if {"id": run.request, "op": "interrupt"} in self._waiting:  # it may have come with the request
            self._interrupt(run, "interrupted")
        self._reap()
        if child.status is not None and run.reply is None:
            self._lose(run, self._cause_of_death(run, child.status))

    def _hear(self, run: Run, poll: select.poll) -> None:
        received = b""
        try:
            with contextlib.suppress(ConnectionResetError):  # it died before it had read the cell
                received = self._child.control.recv(2**16)
            frames = self._child.unpacker.feed(received)
        except BlockingIOError:
            return None
        except BadFrame:
            return self._lose(run, UNREADABLE)
        if not received:
            poll.unregister(self._child.control)  # it is dying, or a cell closed the socket and waits for the deadline
        reply = next((frame for frame in frames if frame.get("id") == run.cell), None)
        if reply is not None and not is_answer(reply):
            return self._lose(run, UNREADABLE)
        run.reply = reply
        return None

    def _read_into(self, capture: Capture, descriptor: int) -> int:
        try:
            received = os.read(descriptor, 2**16)
        except BlockingIOError:
            return 1
        capture.add(received)
        return len(received)

    def _drain(self, run: Run) -> None:
        for descriptor, capture in ((self._child.out, run.out), (self._child.err, run.err)):
            for _ in range(PIPE_READS):
                before = capture.total
                self._read_into(capture, descriptor)
                if capture.total == before:
                    break

    def _keep_deadline(self, run: Run) -> None:
        if run.reply is not None or run.lost:
            return
        self._count(run)
        if run.lost:
            return
        now = time.monotonic()
        if now > run.deadline and run.stopped:
            self._lose(run, f"{run.stopped} and did not stop when interrupted, so the interpreter was killed")
        elif run.stopped and not run.reminded and now > run.deadline - GRACE_SECONDS / 2:
            run.reminded = True
            os.kill(self._child.pid, signal.SIGINT)  # the first may have come before the cell began, or been caught
        elif now > run.deadline:
            self._interrupt(run, f"timed out after {run.patience}")
        elif run.out.total + run.err.total > FLOOD_BYTES:
            self._interrupt(run, f"stopped after {FLOOD_BYTES // 2**20} MB of output")

    def _count(self, run: Run) -> None:
        """Enforce what neither the file systems nor a control group do here."""
        rules = self._rules
        if rules.max_files is not None and count_files() > rules.max_files:
            self._lose(run, f"too many files (limit {rules.max_files:,}): the interpreter was killed", files="deleted")
            empty_folders()
        elif rules.counts_memory and memory_in_use() > rules.memory_bytes:
            self._lose(run, f"out of memory (limit {rules.memory_bytes // 2**20} MB): the interpreter was killed")

    def _interrupt(self, run: Run, why: str) -> None:
        if run.stopped is None:
            run.stopped = why
            run.deadline = time.monotonic() + GRACE_SECONDS
            for number in (signal.SIGINT, signal.SIGCONT):  # it may have stopped itself
                os.kill(self._child.pid, number)

    def _lose(self, run: Run, why: str, *, files: str = "kept") -> None:
        self._drain(run)
        self._restart()
        run.lost = True
        run.notices.append(f"{why}; variables are lost, files are {files}")

    def _cause_of_death(self, run: Run, status: int) -> str:
        limit = f"{self._rules.memory_bytes // 2**20} MB"
        if oom_kills() > run.oom_kills:
            return f"out of memory (limit {limit}): the interpreter was killed"
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return f"{describe_death(status)}, perhaps out of memory (limit {limit})"
        return describe_death(status)

    def _conclude(self, run: Run) -> None:
        """Note what the cell left behind: processes, and why it ended."""
        self._count(run)
        if run.lost:
            return None
        self._drain(run)
        left = len(self._others())
        if run.stopped:
            if not self._kill_others():
                return self._lose(run, f"{run.stopped}; its processes could not be stopped, so all were killed")
            run.notices.append(f"{run.stopped}; variables are kept")
        if left and run.stopped:
            run.notices.append(f"processes left running were killed: {left}")
        elif left != self._left_running:
            run.notices.append(f"processes of this sandbox still running: {left}")
        self._left_running = 0 if run.stopped else left
        if oom_kills() > run.oom_kills or is_memory_error(run.reply):
            limit = self._rules.memory_bytes // 2**20
            run.notices.append(f"out of memory (limit {limit} MB); variables are kept")
        return None

    def _report(self, run: Run) -> Frame:
        reply = run.reply or {}
        return {
            "stdout": run.out.text(),
            "stderr": run.err.text(),
            "result": reply.get("result"),
            "error": reply.get("error"),
            "images": reply.get("images", []),
            "notices": run.notices,
            "timed_out": (run.stopped or "").startswith("timed out"),
            "truncated": bool(run.out.cut or run.err.cut or reply.get("truncated")),
            "state_lost": run.lost or run.died_before,
        }

    def _others(self) -> list[int]:
        """Return the living processes that are neither this one nor the interpreter."""
        return [pid for pid in processes() if pid not in (os.getpid(), self._child.pid)]

    def _kill_others(self) -> bool:
        deadline = time.monotonic() + CLEANUP_SECONDS
        while others := self._others():
            if time.monotonic() > deadline:
                return False
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that none forks while others die
                for pid in others:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            self._reap()
        return True

    def _reap(self) -> None:
        """Bury the dead; orphans of the cells become children of process 1."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._child.pid:
                    self._child.status = ended[1]

    def _restart(self) -> None:
        """Kill everything and fork a new interpreter."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        deadline = time.monotonic() + BURIAL_SECONDS
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < deadline:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(0.002)
        self._child.close()
        self._child = Child(self._rules)


def is_answer(reply: Frame) -> bool:
    """Say whether a reply has the shape that the interpreter gives it; a cell may have sent it in its place."""
    images = reply.get("images")
    return (
        isinstance(images, list)
        and len(images) <= MAX_IMAGES
        and all(isinstance(image, str) for image in images)
        and all(reply.get(key) is None or isinstance(reply.get(key), str) for key in ("result", "error"))
    )


def is_memory_error(reply: Frame | None) -> bool:
    """Say whether the cell ended with a MemoryError, numpy's included."""
    lines = str((reply or {}).get("error") or "").splitlines()
    return bool(lines) and "MemoryError" in lines[-1].partition(":")[0]


def main(rules: str) -> NoReturn:
    """Start as process 1 with `rules` in JSON."""
    if os.getpid() != 1:
        raise SystemExit(
            "this program kills every process it can see, so it runs only as the first of its own namespace"
        )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_dumpable(allowed=False)
    Supervisor(Rules(**json.loads(rules))).serve()
