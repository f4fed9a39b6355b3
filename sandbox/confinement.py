"""Checks from inside that the walls stand: run by the supervisor before any cell, in every sandbox.

What an engine or a kernel grants varies (Docker 20.10's own profile lets AF_VSOCK through, for one), so the sandbox
tests what it relies on and refuses to start where something is missing.
"""

import contextlib
import ctypes
import errno
import os
import socket
from collections.abc import Iterator

CLONE_NEWUSER = 0x10000000
PTRACE_PEEKDATA = 2


def faults() -> list[str]:
    """Return what is not confined, one sentence each; empty when all walls stand."""
    return [*_identity(), *_kernel_status(), *_open_families(), *_network(), *_writable(), *_readable(), *_syscalls()]


def _identity() -> Iterator[str]:
    if 0 in (os.getuid(), os.geteuid(), os.getgid()):
        yield "the code would run as root"


def _kernel_status() -> Iterator[str]:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    for field, required in (("NoNewPrivs", "1"), ("Seccomp", "2")):
        if status.get(field) != required:
            yield f"{field} is {status.get(field)!r}, not {required}"
    for field in ("CapEff", "CapPrm", "CapBnd"):
        if int(status.get(field, "1"), 16) != 0:
            yield f"the capabilities {field} are not empty"


def _open_families() -> Iterator[str]:
    for name, family in (("AF_NETLINK", 16), ("AF_PACKET", 17), ("AF_ALG", 38), ("AF_VSOCK", 40)):
        for kind in (socket.SOCK_STREAM, socket.SOCK_RAW):
            with contextlib.suppress(OSError):
                socket.socket(family, kind).close()
                yield f"sockets of the family {name} can be opened"


def _network() -> Iterator[str]:
    with open("/proc/self/net/dev", encoding="ascii") as file:
        interfaces = {line.split(":")[0].strip() for line in file if ":" in line}
    if interfaces != {"lo"}:
        yield f"there are network interfaces: {', '.join(sorted(interfaces))}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: asks for a route to an address reserved for examples
        yield "there is a route to the network"


def _writable() -> Iterator[str]:
    for path in ("/", "/etc", "/usr", "/usr/bin", "/dev", "/var/tmp", "/proc/sys/kernel/core_pattern"):
        if os.access(path, os.W_OK):
            yield f"{path} can be written to"


def _readable() -> Iterator[str]:
    for folder in ("/home", "/root"):
        with contextlib.suppress(OSError):
            if os.listdir(folder):
                yield f"{folder} can be read"
    for path in ("/var/run/docker.sock", "/run/docker.sock", "/etc/shadow"):
        if os.access(path, os.R_OK):
            yield f"{path} can be read"


def _syscalls() -> Iterator[str]:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != -1:
        yield "the code could make a user namespace"
    if libc.mount(b"none", b"/mnt/data", b"tmpfs", 0, None) != -1:
        yield "the code could mount"
    if libc.ptrace(PTRACE_PEEKDATA, 0, 0, 0) == -1 and ctypes.get_errno() != errno.EPERM:
        yield "the code could trace processes"  # of process 0, which there is not, it would get another error
