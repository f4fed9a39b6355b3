"""Who started a sandbox, written so that a later process can tell whether that one is still alive."""

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process: process ids come again, so its start time belongs to it, and they mean nothing on another host."""

    host: str
    pid: int
    started: str

    @classmethod
    def this_process(cls) -> "Owner":
        """Return the process this is called in."""
        return cls(host=_host(), pid=os.getpid(), started=_start_time(os.getpid()))

    def is_dead(self) -> bool:
        """Say whether the process is known to be gone; False where this host cannot know."""
        return self.host == _host() and _start_time(self.pid) != self.started


def _host() -> str:
    """Return a name for this boot of this machine and this view of its process ids."""
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() + os.readlink("/proc/self/ns/pid")
    return f"{platform.node()} {boot}".strip()


def _start_time(pid: int) -> str:
    """Return when `pid` started, in ticks since boot; empty for none. Elsewhere than on Linux, only whether it is."""
    if Path("/proc/self/stat").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2].split()[19]
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "running"
