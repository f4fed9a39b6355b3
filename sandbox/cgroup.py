"""A control group for a sandbox, where this process may make one (root): memory, processes and CPU in total."""

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ostinato.sandbox.interface import Limits

MOUNT = Path("/sys/fs/cgroup")
PREFIX = "ostinato-"
PERIOD_MICROSECONDS = 100_000
REMOVAL_SECONDS = 5.0

Settings = Mapping[str, int | str]  # file: value; with a ? at the end of the name, only where there is such a file


class Cgroup:
    """A folder in each hierarchy (version 1) or in the only one (version 2)."""

    def __init__(self, limits: Limits) -> None:
        """Make the group.

        Raises:
            OSError: where the kernel or the user's rights do not allow it.

        """
        name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        settings = _version_2(limits) if (MOUNT / "cgroup.controllers").exists() else _version_1(limits)
        self._folders = [MOUNT / hierarchy / name for hierarchy in settings]
        self.memory_folder, self.memory_mount = self._folders[0], MOUNT / next(iter(settings))
        try:
            for folder, values in zip(self._folders, settings.values(), strict=True):
                folder.mkdir()
                _write(folder, values)
        except OSError:
            self.remove()
            raise

    def add(self, pid: int) -> None:
        """Put a process, and with it all that it will start, into the group."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Remove the group once its processes are gone."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        for folder in self._folders:
            while folder.exists() and time.monotonic() < deadline:
                with suppress(OSError):
                    folder.rmdir()
                    break
                time.sleep(0.005)


def remove_orphans() -> None:
    """Remove the empty groups of processes that were killed before they could."""
    for folder in (*MOUNT.glob(f"{PREFIX}*"), *MOUNT.glob(f"*/{PREFIX}*")):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            with suppress(OSError):
                folder.rmdir()


def _version_1(limits: Limits) -> dict[str, Settings]:
    return {
        "memory": {
            "memory.limit_in_bytes": limits.memory_bytes,
            "memory.memsw.limit_in_bytes?": limits.memory_bytes,
        },
        "pids": {"pids.max": limits.processes},
        "cpu": {
            "cpu.cfs_period_us": PERIOD_MICROSECONDS,
            "cpu.cfs_quota_us": int(limits.cpus * PERIOD_MICROSECONDS),
        },
    }


def _version_2(limits: Limits) -> dict[str, Settings]:
    return {
        ".": {
            "memory.max": limits.memory_bytes,
            "memory.swap.max?": 0,
            "pids.max": limits.processes,
            "cpu.max": f"{int(limits.cpus * PERIOD_MICROSECONDS)} {PERIOD_MICROSECONDS}",
        }
    }


def _write(folder: Path, values: Settings) -> None:
    for file, value in values.items():
        path = folder / file.removesuffix("?")
        if file.endswith("?") and not path.exists():
            continue  # kernels without swap accounting
        path.write_text(str(value))
