"""Hostile code on every sandbox: what it may break (its own variables) and what it may not (anything else).

Every attack is bounded by the limits it tries to pass, and ends with the question whether the sandbox still answers.
"""

import re

import pytest

from ostinato.sandbox import Limits, Sandbox, open_sandbox
from ostinato.sandbox.child import CONTROL

ENDLESS = {
    "a loop": "while True: pass",
    "a sleep": "import time; time.sleep(10**6)",
    "a power": "3 ** (10**9)",
    "a regular expression": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a repr": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    "stopping itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "a child that sleeps": "import subprocess; subprocess.run(['python3', '-c', 'import time; time.sleep(600)'])",
}

STUBBORN = {
    "ignoring SIGINT": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    "a loop in C": "sum(range(10**12))",
}

SUICIDES = {
    "_exit": ("import os; os._exit(7)", "the interpreter ended with exit code 7"),
    "a segmentation fault": ("import ctypes; ctypes.string_at(0)", r"the interpreter died \(signal 11, SIGSEGV\)"),
    "abort": ("import os; os.abort()", r"the interpreter died \(signal 6, SIGABRT\)"),
    "killing itself": ("import os; os.kill(os.getpid(), 9)", r"the interpreter died \(signal 9, SIGKILL\)"),
    "becoming another program": ("import os; os.execv('/usr/bin/python3', ['x', '-c', '0'])", "exit code 0"),
    "closing all descriptors": ("import os; os.closerange(0, 1024)", "the interpreter ended with exit code"),
    "garbage on all descriptors": (
        "import os\nfor n in range(3, 200):\n    try: os.write(n, b'\\xff' * 1000)\n    except OSError: pass",
        "the interpreter sent something unreadable",
    ),
}

IN_VAIN = {
    "killing process 1": ("import os; os.kill(1, 9)", None),
    "stopping process 1": ("import os, signal; os.kill(1, signal.SIGSTOP)", None),
    "stopping everything": ("import os, signal; os.kill(-1, signal.SIGSTOP)", "ProcessLookupError"),
    "killing everything": ("import os; os.kill(-1, 9)", "ProcessLookupError"),
    "the supervisor's channel": ("open('/proc/1/fd/1', 'wb')", "PermissionError"),
    "the supervisor's memory": ("open('/proc/1/mem', 'rb')", "PermissionError"),
    "the supervisor's limits": (
        "import resource\nresource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))",
        "PermissionError",
    ),
    "the supervisor's scheduling": (
        "import os\nos.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
        "PermissionError",
    ),
    "the supervisor's priority": ("import os\nos.setpriority(os.PRIO_PROCESS, 1, 19)", "PermissionError"),
    "the supervisor's processors": ("import os\nos.sched_setaffinity(1, {0})", "PermissionError"),
    "memory that no limit sees": ("import os\nos.memfd_create('x')", "PermissionError"),
    "becoming root": ("import os; os.setuid(0)", "(Permission|OS)Error"),
    "deep recursion": ("def f(): return f()\nf()", "RecursionError"),
    "10 GB": ("bytearray(10**10)", "MemoryError"),
    "memory bit by bit": ("pieces = []\nwhile True: pieces.append(b'x' * 10**7 + bytes([1]))", "MemoryError"),
    "a large file": ("f = open('/mnt/data/x', 'wb')\nwhile True: f.write(b'x' * 2**20)", "File too large|No space"),
    "many large files": (
        "import itertools\nfor i in itertools.count():\n    open(f'/tmp/{i}', 'wb').write(b'x' * 2**20)",
        "No space left",
    ),
    "shared memory": (
        "import itertools\nfor i in itertools.count():\n    open(f'/dev/shm/{i}', 'wb').write(b'x' * 2**20)",
        "No space left",
    ),
    "a sparse file": ("open('/mnt/data/s', 'wb').truncate(2**40)", "File too large"),
    "all descriptors": ("files = []\nwhile True: files.append(open('/dev/null'))", "Too many open files"),
    "the metadata service": ("import socket; socket.create_connection(('169.254.169.254', 80), 3)", "unreachable"),
    "a name server": ("import socket; socket.getaddrinfo('example.com', 80)", "gaierror"),
    "raw sockets": ("import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "PermissionError"),
    "virtual machine sockets": ("import socket; socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)", "PermissionError"),
    "netlink": ("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "PermissionError"),
    "a file in /etc": ("open('/etc/x', 'w')", "Read-only file system"),
    "a file in /usr": ("open('/usr/x', 'w')", "Read-only file system"),
    "a file in /": ("open('/x', 'w')", "Read-only file system"),
    "a file in /dev": ("open('/dev/x', 'w')", "Permission denied|Read-only"),
    "the core pattern": ("open('/proc/sys/kernel/core_pattern', 'w')", "Permission denied|Read-only"),
    "root's home": ("import os; os.listdir('/root')", "Permission denied|No such file"),
    "password hashes": ("open('/etc/shadow')", "Permission denied|No such file"),
    "Docker's socket": ("open('/var/run/docker.sock')", "No such file"),
}

SYSTEM_CALLS = {  # x86_64 numbers
    "io_uring_setup": 425,
    "bpf": 321,
    "keyctl": 250,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "ptrace": 101,
    "process_vm_readv": 310,
    "pidfd_getfd": 438,
    "mount": 165,
    "setns": 308,
    "init_module": 175,
    "open_by_handle_at": 304,
    "shmget": 29,
    "msgget": 68,
    "semget": 64,
    "mq_open": 240,
}


async def assert_usable(sandbox: Sandbox, *, kept: bool) -> None:
    """Check that the next call is answered rightly, with or without the variable that was set before the attack."""
    outcome = await sandbox.execute("globals().get('kept', 'lost')")
    assert outcome.result == ("True" if kept else "'lost'"), outcome


@pytest.mark.parametrize("attack", ENDLESS)
async def test_endless_code_is_interrupted_and_variables_are_kept(sandbox: Sandbox, attack: str) -> None:
    await sandbox.execute("kept = True")

    outcome = await sandbox.execute(ENDLESS[attack], timeout=0.3)

    assert outcome.timed_out
    assert outcome.notices[0] == "timed out after 0.3 s; variables are kept"
    assert str(outcome.error).endswith("KeyboardInterrupt")
    await assert_usable(sandbox, kept=True)


@pytest.mark.parametrize("attack", STUBBORN)
async def test_code_that_ignores_the_interrupt_is_killed_and_files_are_kept(sandbox: Sandbox, attack: str) -> None:
    await sandbox.execute("kept = True\nopen('file', 'w').write('here')")

    outcome = await sandbox.execute("print('so far')\n" + STUBBORN[attack], timeout=0.3)

    assert outcome.timed_out
    assert outcome.state_lost
    assert outcome.stdout == "so far\n"
    assert outcome.notices == (
        "timed out after 0.3 s and did not stop when interrupted, so the interpreter was killed;"
        " variables are lost, files are kept",
    )
    await assert_usable(sandbox, kept=False)
    assert await sandbox.get("file") == b"here"


@pytest.mark.parametrize("attack", SUICIDES)
async def test_an_interpreter_that_dies_is_replaced_and_said_to_have_died(sandbox: Sandbox, attack: str) -> None:
    code, notice = SUICIDES[attack]
    await sandbox.execute("kept = True")

    outcome = await sandbox.execute(code)

    assert outcome.state_lost
    assert re.search(f"{notice}.*; variables are lost, files are kept$", outcome.notices[0]), outcome
    await assert_usable(sandbox, kept=False)


@pytest.mark.parametrize("attack", IN_VAIN)
async def test_what_is_forbidden_fails_and_harms_nothing(sandbox: Sandbox, attack: str) -> None:
    code, error = IN_VAIN[attack]
    await sandbox.execute("kept = True")

    outcome = await sandbox.execute(code)

    if error is None:
        assert outcome.error is None, outcome
    else:
        assert re.search(error, str(outcome.error).splitlines()[-1]), outcome
    await assert_usable(sandbox, kept=True)


async def test_system_calls_that_a_program_has_no_use_for_are_refused(sandbox: Sandbox) -> None:
    code = (
        "import ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"calls = {SYSTEM_CALLS!r} if platform.machine() == 'x86_64' else {{}}\n"
        "refused = {name: (libc.syscall(n, 0, 0, 0, 0, 0), ctypes.get_errno()) for name, n in calls.items()}\n"
        "namespaces = [libc.unshare(flag) for flag in (0x10000000, 0x20000, 0x40000000)]\n"
        "[name for name, answer in refused.items() if answer != (-1, 1)], namespaces"
    )

    assert (await sandbox.execute(code)).result == "([], [-1, -1, -1])"


async def test_socket_pairs_are_local_only(sandbox: Sandbox) -> None:
    """Another family's protocol would be loaded and set up before the kernel finds that it makes no pairs."""
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "pair = (ctypes.c_int * 2)()\n"
        "families = [libc.socketpair(family, 1, 0, pair) or family for family in (1, 2, 16, 30, 38, 40)]\n"
        "families, ctypes.get_errno()"
    )

    assert (await sandbox.execute(code)).result == "([1, -1, -1, -1, -1, -1], 1)"


async def test_a_memory_error_says_that_memory_is_out_and_variables_are_kept(sandbox: Sandbox) -> None:
    assert (await sandbox.execute("b = bytearray(10**10)")).notices == (
        "out of memory (limit 256 MB); variables are kept",
    )


async def test_memory_of_many_processes_is_limited_together(sandbox: Sandbox) -> None:
    code = """
import os
def hog():
    block = b'x' * (150 * 2**20)
    while True: pass
for _ in range(4):
    if os.fork() == 0: hog()
for _ in range(4): os.wait()
"""
    outcome = await sandbox.execute(code, timeout=3)

    assert any("out of memory (limit 256 MB)" in notice for notice in outcome.notices), outcome
    assert (await sandbox.execute("1")).result == "1"


async def test_endless_output_is_stopped_and_cut(sandbox: Sandbox) -> None:
    await sandbox.execute("kept = True")

    outcome = await sandbox.execute("while True: print('x' * 1000)")

    assert outcome.notices == ("stopped after 64 MB of output; variables are kept",)
    assert outcome.truncated
    assert len(outcome.stdout) < 2 * sandbox.limits.output_chars
    await assert_usable(sandbox, kept=True)


FLOODS = {
    "in /mnt/data": "for i in itertools.count(): open(f'/mnt/data/{i}', 'w').close()",
    "in shared memory": "for i in itertools.count(): open(f'/dev/shm/{i}', 'w').close()",
    "in folders in each other": "os.chdir('/tmp')\nfor i in itertools.count(): os.mkdir('d'); os.chdir('d')",
    "in a locked folder": (
        "os.makedirs('/tmp/locked/inner/x')\nfor i in range(1500): open(f'/tmp/locked/inner/{i}', 'w').close()\n"
        "os.chmod('/tmp/locked/inner', 0)\nos.chmod('/tmp/locked', 0)\n"
        "for i in itertools.count(): open(f'/tmp/{i}', 'w').close()"
    ),
}


@pytest.mark.parametrize("place", FLOODS)
async def test_a_flood_of_files_is_stopped(fresh: Sandbox, place: str) -> None:
    outcome = await fresh.execute("import itertools, os\n" + FLOODS[place])

    is_full = "No space left on device" in str(outcome.error)
    is_killed = outcome.notices == (
        "too many files (limit 2,000): the interpreter was killed; variables are lost, files are deleted",
    )
    assert is_full or is_killed, outcome
    assert (await fresh.execute("1")).result == "1"


async def test_a_flood_of_files_is_the_fault_of_the_call_that_made_it(bubblewrap_kind: str) -> None:
    sandbox = open_sandbox(bubblewrap_kind, limits=Limits(files=50))

    outcome = await sandbox.execute("for i in range(60): open(f'/tmp/{i}', 'w').close()")

    assert outcome.notices == (
        "too many files (limit 50): the interpreter was killed; variables are lost, files are deleted",
    )
    assert (await sandbox.execute("1")).result == "1"
    await sandbox.close()


async def test_a_locked_folder_does_not_keep_the_next_interpreter_out(sandbox: Sandbox) -> None:
    await sandbox.execute("import os\nos.chmod('/mnt/data', 0)\nos._exit(0)")

    assert (await sandbox.execute("open('file', 'w').write('here')")).result == "4"


@pytest.mark.parametrize("start", ["", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"])
async def test_a_fork_bomb_ends_with_its_call(sandbox: Sandbox, start: str) -> None:
    bomb = start + "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"

    outcome = await sandbox.execute(bomb, timeout=0.5)

    assert outcome.timed_out
    living = await sandbox.execute(
        "import pathlib\n"
        "states = [p.read_text().rpartition(') ')[2][0] for p in pathlib.Path('/proc').glob('[0-9]*/stat')]\n"
        "len([state for state in states if state != 'Z'])"
    )
    assert living.result == "2", "process 1 and the interpreter"


async def test_a_thread_bomb_ends_in_an_exception(sandbox: Sandbox) -> None:
    code = "import threading\nblock = threading.Event().wait\nwhile True: threading.Thread(target=block).start()"
    await sandbox.execute("kept = True")

    assert str((await sandbox.execute(code)).error).endswith("can't start new thread")
    await assert_usable(sandbox, kept=True)


FORGE = f"""
import os, struct
body = b'''{{"id": 1, "result": "forged", "error": null, "images": [], "truncated": false, FIELD}}'''
os.write({CONTROL}, struct.pack(">I", len(body)) + body)
while True: pass
"""


async def test_a_forged_answer_deceives_only_its_own_call(fresh: Sandbox) -> None:
    assert (await fresh.execute(FORGE.replace("FIELD", '"error": null'))).result == "forged"

    waits_for_the_forger = await fresh.execute("'mine'", timeout=0.3)

    assert waits_for_the_forger.timed_out
    assert (await fresh.execute("1 + 1")).result == "2"


@pytest.mark.parametrize("field", ['"result": {"a": 1}', '"error": 1', '"images": [[], []]', '"images": null'])
async def test_an_answer_of_the_wrong_shape_costs_the_interpreter_its_life(fresh: Sandbox, field: str) -> None:
    await fresh.put("file", b"here")

    outcome = await fresh.execute(FORGE.replace("FIELD", field))

    assert outcome.notices == (
        "the interpreter sent something unreadable and was killed; variables are lost, files are kept",
    )
    assert await fresh.get("file") == b"here"


async def test_an_answer_that_the_host_cannot_read_costs_the_sandbox_its_life(fresh: Sandbox) -> None:
    outcome = await fresh.execute(FORGE.replace("FIELD", '"images": ["no base64"]'))

    assert outcome.state_lost
    assert outcome.notices == (
        "the sandbox sent something unreadable; it is replaced by a new one, so variables and files are lost",
    )
    assert (await fresh.execute("1 + 1")).result == "2"


async def test_the_hosts_environment_and_arguments_are_not_inside(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSTINATO_TEST_SECRET", "hush")

    outcome = await sandbox.execute("import os, sys\n'OSTINATO_TEST_SECRET' in os.environ, sorted(os.environ)")

    assert str(outcome.result).startswith("(False, ")
