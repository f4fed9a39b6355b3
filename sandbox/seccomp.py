"""One list of allowed system calls in two forms: Docker's JSON profile and the kernel's filter program.

Everything not listed fails with EPERM; what is newer than the list fails with ENOSYS, so that the C library falls back.
By argument: sockets only local and IP ones (no netlink, packet, vsock, or kernel crypto), limits and CPUs only of the
caller itself, `clone` without new namespaces, and `clone3`, whose flags a filter cannot see, with ENOSYS so that
`clone` is used. System calls of another architecture (32-bit ones, which would bypass the argument checks) end the
process.
"""

import json
import platform
import struct
from errno import ENOSYS, EPERM

from ostinato.sandbox import syscalls
from ostinato.sandbox.interface import SandboxUnavailable

AF_UNIX, AF_INET, AF_INET6, ITSELF = 1, 2, 10, 0
FIRST_ARGUMENTS = {  # the only ones allowed
    "socket": (AF_UNIX, AF_INET, AF_INET6),
    "socketpair": (AF_UNIX,),
    "prlimit64": (ITSELF,),
    "sched_setaffinity": (ITSELF,),
}
NEW_NAMESPACES = 0x7E020000  # the CLONE_NEW* flags of clone(2)

# Linux uapi: audit.h, filter.h, seccomp.h
ARCHITECTURES = {"x86_64": (0xC000003E, syscalls.X86_64), "aarch64": (0xC00000B7, syscalls.AARCH64)}
LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 4, 16
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000


def docker_profile() -> str:
    """Return the profile for Docker's `seccomp=` option; it replaces Docker's own."""
    rules: list[dict[str, object]] = [
        {"names": list(syscalls.NAMES), "action": "SCMP_ACT_ALLOW"},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
        _allow_when("clone", value=NEW_NAMESPACES, operator="SCMP_CMP_MASKED_EQ"),
        *(
            _allow_when(name, value=value, operator="SCMP_CMP_EQ")
            for name, values in FIRST_ARGUMENTS.items()
            for value in values
        ),
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": EPERM, "syscalls": rules})


def filter_program(machine: str | None = None) -> bytes:
    """Return the filter for seccomp(2) on `machine`, by default this one: an array of `struct sock_filter`.

    Raises:
        SandboxUnavailable: for a machine whose system call numbers are not known here.

    """
    machine = machine or platform.machine()
    if machine not in ARCHITECTURES:
        raise SandboxUnavailable(f"no system call filter for {machine!r}; there is {', '.join(ARCHITECTURES)}")
    architecture, numbers = ARCHITECTURES[machine]
    program = [
        _step(LOAD, ARCHITECTURE_OFFSET),
        _step(JUMP_EQUAL, architecture, skip_if=1),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_OFFSET),
        _step(JUMP_GREATER, syscalls.HIGHEST_KNOWN, skip_unless=1),
        _step(RETURN, FAIL | ENOSYS),
        _step(JUMP_EQUAL, numbers["clone3"], skip_unless=1),
        _step(RETURN, FAIL | ENOSYS),
        _step(JUMP_EQUAL, numbers["clone"], skip_unless=4),
        _step(LOAD, FIRST_ARGUMENT_OFFSET),
        _step(JUMP_ANY_BIT, NEW_NAMESPACES, skip_unless=1),
        _step(RETURN, FAIL | EPERM),
        _step(RETURN, ALLOW),
    ]
    for name, values in FIRST_ARGUMENTS.items():
        program += _allow_only(numbers[name], values)
    for first, last in _ranges(sorted(numbers[name] for name in syscalls.NAMES if name in numbers)):
        program += [
            _step(JUMP_AT_LEAST, first, skip_unless=2),
            _step(JUMP_GREATER, last, skip_if=1),
            _step(RETURN, ALLOW),
        ]
    return b"".join([*program, _step(RETURN, FAIL | EPERM)])


def _allow_only(number: int, first_arguments: tuple[int, ...]) -> list[bytes]:
    """Return the steps that decide about the system call `number`; they pass on any other."""
    program = [_step(LOAD, FIRST_ARGUMENT_OFFSET)]
    for value in first_arguments:
        program += [_step(JUMP_EQUAL, value, skip_unless=1), _step(RETURN, ALLOW)]
    program.append(_step(RETURN, FAIL | EPERM))
    return [_step(JUMP_EQUAL, number, skip_unless=len(program)), *program]


def _allow_when(name: str, *, value: int, operator: str) -> dict[str, object]:
    condition = {"index": 0, "value": value, "valueTwo": 0, "op": operator}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [condition]}


def _step(code: int, operand: int, *, skip_if: int = 0, skip_unless: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if, skip_unless, operand)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return the runs of consecutive numbers as first and last."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
