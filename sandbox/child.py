"""The interpreter's process as the supervisor sees it: how it is forked, limited, listened to and buried."""

import ctypes
import os
import resource
import signal
import socket
import sys
import traceback
from typing import NoReturn

from ostinato.sandbox import files
from ostinato.sandbox.frames import Rules, Unpacker
from ostinato.sandbox.worker import Interpreter

PR_SET_DUMPABLE = 4
CONTROL, STDOUT, STDERR, HIGHEST = 100, 101, 102, 1024


class Capture:
    """Keeps the beginning and the end of a stream that may be endless."""

    def __init__(self, limit: int) -> None:
        self._head_room = limit - limit // 3
        self._tail_room = limit // 3
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, received: bytes) -> None:
        """Take the next bytes."""
        self.total += len(received)
        room = self._head_room - len(self._head)
        self._head += received[:room]
        self._tail += received[room:]
        if len(self._tail) > 2 * self._tail_room + 2**16:
            del self._tail[: -self._tail_room]

    @property
    def cut(self) -> int:
        """How many bytes were not kept."""
        return max(0, self.total - self._head_room - self._tail_room)

    def text(self) -> str:
        """Return what was kept, with a line in place of what was not."""
        if not self.cut:
            return (self._head + self._tail).decode("utf-8", "backslashreplace")
        head = self._head.decode("utf-8", "backslashreplace")
        tail = self._tail[-self._tail_room :].decode("utf-8", "backslashreplace")
        return f"{head}\n… {self.cut:,} bytes cut …\n{tail}"


class Child:
    """The interpreter as the supervisor sees it: a process, a control socket and two pipes."""

    def __init__(self, rules: Rules) -> None:
        self.control, inner = socket.socketpair()
        self.out, out = os.pipe()
        self.err, err = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            become_interpreter(rules, inner, out, err)
        for end in (inner.detach(), out, err):
            os.close(end)
        for end in (self.control.fileno(), self.out, self.err):
            os.set_blocking(end, False)
        self.handle = os.pidfd_open(self.pid)
        self.unpacker = Unpacker()
        self.status: int | None = None

    def close(self) -> None:
        """Free the descriptors."""
        self.control.close()
        for end in (self.out, self.err, self.handle):
            os.close(end)


def become_interpreter(rules: Rules, control: socket.socket, out: int, err: int) -> NoReturn:
    """Turn the forked process into the interpreter."""
    try:
        _arrange_descriptors(control.detach(), out, err)
        set_dumpable(allowed=True)  # only now, as the host's channel is closed
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")  # when memory runs out, this process goes and the supervisor stays
        os.setsid()
        for name, value in rules.rlimits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        os.chmod(files.ROOT, 0o700)  # an earlier cell may have locked it
        os.chdir(files.ROOT)
        sys.path.append(files.ROOT)
        Interpreter(socket.socket(fileno=CONTROL), STDOUT, STDERR, output_chars=rules.output_chars).serve()
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def _arrange_descriptors(control: int, out: int, err: int) -> None:
    """Keep the three given, far from the numbers that cells use, and close the host's channel."""
    for source, target in ((control, CONTROL), (out, STDOUT), (err, STDERR)):
        os.dup2(source, target)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(STDOUT, 1)
    os.dup2(STDERR, 2)
    os.closerange(3, CONTROL)
    os.closerange(STDERR + 1, HIGHEST)


def set_dumpable(*, allowed: bool) -> None:
    """Say whether processes of the same user may look into this one (its memory, its descriptors)."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, int(allowed), 0, 0, 0)


def describe_death(status: int) -> str:
    """Say how a process ended, from its wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        names = {s.value: s.name for s in signal.Signals}
        return f"the interpreter died (signal {number}, {names.get(number, 'real-time')})"
    return f"the interpreter ended with exit code {os.WEXITSTATUS(status)}"
