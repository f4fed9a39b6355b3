"""What the supervisor sees of the sandbox around it: processes, memory, files."""

import contextlib
import os
import secrets
import stat

from ostinato.sandbox import files

WRITABLE = ("/tmp", "/dev/shm", files.ROOT)
OOM_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def processes() -> list[int]:
    """Return the processes that live; not those that are dead and wait for their parent."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _is_alive(int(name))]


def oom_kills() -> int:
    """Return how often the kernel killed a process of this sandbox for its memory; 0 where that is not shown."""
    for path in OOM_COUNTERS:
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0


def memory_in_use() -> int:
    """Return the bytes that all processes hold together, shared ones counted once; an estimate for those that hide."""
    return sum(_proportional_bytes(pid) for pid in processes())


def count_files() -> int:
    """Return the largest number of files in one of the writable folders."""
    return max(status.f_files - status.f_ffree for status in map(os.statvfs, WRITABLE))


def empty_folders() -> None:
    """Delete all files, however deep they lie and whatever their folders forbid; no other process may be there."""
    for folder in WRITABLE:
        os.chmod(folder, 0o700)
        while names := os.listdir(folder):
            for name in names:
                _delete(folder, name)


def _delete(folder: str, name: str) -> None:
    """Delete a file, or put what is in a folder in its place: paths and calls stay short at any depth."""
    path = os.path.join(folder, name)
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        return os.unlink(path)
    os.chmod(path, 0o700)
    for inner in os.listdir(path):
        source = os.path.join(path, inner)
        if stat.S_ISDIR(os.lstat(source).st_mode):
            os.chmod(source, 0o700)  # one that may not be written to cannot be moved
        os.rename(source, os.path.join(folder, secrets.token_hex(16)))
    return os.rmdir(path)


def _is_alive(pid: int) -> bool:
    """Say whether `pid` exists and is more than a dead process that waits for its parent."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in (b"Z", b"X")
    except OSError:
        return False


def _proportional_bytes(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 2**10
    with contextlib.suppress(OSError), open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
