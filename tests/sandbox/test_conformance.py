"""What every sandbox does with well-meant code."""

import asyncio
import base64
import contextlib
import itertools
import os
import pathlib
import re
from collections.abc import Awaitable, Callable

import pytest

from ostinato.sandbox import Limits, Sandbox, SandboxFileError

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
)


async def test_variables_last_between_calls(sandbox: Sandbox) -> None:
    await sandbox.execute("x = 41")

    outcome = await sandbox.execute("x + 1")

    assert outcome.result == "42"
    assert not outcome.state_lost


async def test_the_last_expression_is_shown_and_kept_as_underscore(sandbox: Sandbox) -> None:
    assert (await sandbox.execute("'a' * 3")).result == "'aaa'"
    assert (await sandbox.execute("_ + 'b'")).result == "'aaab'"
    assert (await sandbox.execute("None")).result is None


async def test_both_streams_are_told_apart(sandbox: Sandbox) -> None:
    outcome = await sandbox.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)")

    assert (outcome.stdout, outcome.stderr) == ("out\n", "err\n")


async def test_output_of_child_processes_is_seen(sandbox: Sandbox) -> None:
    outcome = await sandbox.execute("import subprocess\nsubprocess.run(['python3', '-c', 'print(6 * 7)'])\nNone")

    assert outcome.stdout == "42\n"


async def test_an_error_shows_the_cells_own_lines_only(fresh: Sandbox) -> None:
    await fresh.execute("def f(a):\n    return a / 0")

    outcome = await fresh.execute("print('before')\nf(1)")

    assert outcome.stdout == "before\n"
    assert outcome.error == (
        "Traceback (most recent call last):\n"
        '  File "<cell 2>", line 2, in <module>\n'
        "    f(1)\n"
        '  File "<cell 1>", line 2, in f\n'
        "    return a / 0\n"
        "ZeroDivisionError: division by zero"
    )


async def test_a_repr_that_is_a_string_of_another_kind_is_shown(sandbox: Sandbox) -> None:
    code = "class S(str):\n    __len__ = None\nclass A:\n    def __repr__(self): return S('shown')\nA()"

    assert (await sandbox.execute(code)).result == "shown"


async def test_sys_exit_ends_the_cell_and_not_the_session(sandbox: Sandbox) -> None:
    await sandbox.execute("x = 1")

    assert (await sandbox.execute("import sys; sys.exit(3)")).error.endswith("SystemExit: 3")  # type: ignore[union-attr]
    assert (await sandbox.execute("x")).result == "1"


async def test_asking_for_input_is_answered_with_an_explanation(sandbox: Sandbox) -> None:
    assert "nobody can type into this sandbox" in str((await sandbox.execute("input('name? ')")).error)


async def test_long_output_keeps_its_head_and_its_tail(sandbox: Sandbox) -> None:
    outcome = await sandbox.execute("print('start', 'x' * 100_000, 'end')\n'r' * 100_000")

    assert outcome.truncated
    assert outcome.stdout.startswith("start xxx")
    assert outcome.stdout.endswith("xxx end\n")
    assert "98,011 bytes cut" in outcome.stdout
    assert "characters cut" in str(outcome.result)
    assert len(outcome.stdout) + len(str(outcome.result)) < 5000


async def test_control_characters_cannot_reach_a_terminal(sandbox: Sandbox) -> None:
    outcome = await sandbox.execute(r"print('a\x1b[2J\x00\rb \ud800 é')")

    assert outcome.stdout == "a\\x1b[2J\\x00\nb \\ud800 é\n"


async def test_characters_that_turn_the_order_of_others_are_shown_as_such(sandbox: Sandbox) -> None:
    assert (await sandbox.execute(r"print('a\u202eb\u2066c')")).stdout == "a\\u202eb\\u2066c\n"


async def test_closed_and_replaced_streams_work_again_in_the_next_call(sandbox: Sandbox) -> None:
    await sandbox.execute("import os, sys\nos.close(1)\nsys.stdout = None\nsys.stderr.close()")

    assert (await sandbox.execute("print('back')")).stdout == "back\n"


async def test_modules_written_as_files_can_be_imported(sandbox: Sandbox) -> None:
    await sandbox.execute("open('mine.py', 'w').write('answer = 42')")

    assert (await sandbox.execute("import mine\nmine.answer")).result == "42"


async def test_threads_pools_and_queues_work(sandbox: Sandbox) -> None:
    code = """
import multiprocessing, concurrent.futures, dataclasses, pickle
def square(x): return x * x
@dataclasses.dataclass
class Point:
    x: "int"
with multiprocessing.Pool(2) as pool: squares = pool.map(square, range(4))
queue = multiprocessing.Queue(); queue.put(1)
with concurrent.futures.ThreadPoolExecutor(2) as threads: roots = list(threads.map(abs, [-1, -2]))
squares, roots, queue.get(timeout=10), pickle.loads(pickle.dumps(Point(1)))
"""
    outcome = await sandbox.execute(code)

    assert outcome.result == "([0, 1, 4, 9], [1, 2], 1, Point(x=1))", outcome


async def test_a_fork_that_falls_through_answers_once(sandbox: Sandbox) -> None:
    outcome = await sandbox.execute("import os\nchild = os.fork()\nif child: os.waitpid(child, 0)\nprint('here')\n7")

    assert outcome.stdout == "here\nhere\n"
    assert outcome.result == "7"


async def test_figures_come_back_as_png(sandbox: Sandbox) -> None:
    """The library is played by a module of the same name and interface: the images have no matplotlib."""
    fake = (
        "import sys, types\n"
        f"png = {PNG!r}\n"
        "class Figure:\n    def savefig(self, file, format): file.write(png)\n"
        "open_figures = [1, 2]\n"
        "pyplot = types.ModuleType('matplotlib.pyplot')\n"
        "pyplot.get_fignums = lambda: list(open_figures)\n"
        "pyplot.figure = lambda number: Figure()\n"
        "pyplot.close = lambda which: open_figures.clear()\n"
        "sys.modules['matplotlib.pyplot'] = pyplot\n"
    )

    assert (await sandbox.execute(fake)).images == (PNG, PNG)
    assert (await sandbox.execute("1")).images == ()
    too_many = await sandbox.execute("open_figures.extend(range(12))")
    assert too_many.images == (PNG,) * 8
    assert too_many.stderr.startswith("4 figures are not shown")


async def test_files_go_in_and_come_out(sandbox: Sandbox) -> None:
    content = bytes(range(256)) * 8000
    await sandbox.put("in/data.bin", content)
    await sandbox.put("empty", b"")

    await sandbox.execute("b = open('/mnt/data/in/data.bin', 'rb').read(); open('back', 'wb').write(b[::-1])")

    assert await sandbox.get("/mnt/data/back") == content[::-1]
    assert await sandbox.get("empty") == b""


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", "/mnt/data", "a\0b", "/mnt/database"])
async def test_paths_elsewhere_are_refused(sandbox: Sandbox, path: str) -> None:
    with pytest.raises(SandboxFileError, match="not a path below /mnt/data"):
        await sandbox.get(path)
    with pytest.raises(SandboxFileError, match="not a path below /mnt/data"):
        await sandbox.put(path, b"")


@pytest.mark.parametrize("path", ["a" * 600, "b/" * 499 + "c", "\U000e0001" * 900, "a" * 10**5, "\ud800"])
async def test_strange_paths_are_refused_and_cost_nothing(sandbox: Sandbox, path: str) -> None:
    await sandbox.execute("x = 1")

    with pytest.raises(SandboxFileError):
        await sandbox.get(path)

    assert (await sandbox.execute("x")).result == "1"


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan"), 1e12])
async def test_a_time_limit_that_is_none_is_refused(sandbox: Sandbox, seconds: float) -> None:
    with pytest.raises(ValueError, match="it must be above 0"):
        await sandbox.execute("1", timeout=seconds)
    with pytest.raises(ValueError, match="it must be above 0"):
        Limits(seconds=seconds)

    assert (await sandbox.execute("2")).result == "2"


async def test_links_and_devices_are_refused(sandbox: Sandbox) -> None:
    await sandbox.execute(
        "import os\nos.symlink('/etc/passwd', 'link')\nos.symlink('/tmp', 'folder')\nos.mkfifo('fifo')\nos.mkdir('sub')"
    )

    for path in ("link", "folder/x", "fifo", "sub", "nothing"):
        with pytest.raises(SandboxFileError, match=path):
            await sandbox.get(path)
    with pytest.raises(SandboxFileError, match="folder"):
        await sandbox.put("folder/x", b"")
    await sandbox.put("link", b"replaces the link")
    assert await sandbox.get("link") == b"replaces the link"


async def test_files_over_the_limit_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxFileError, match="at most"):
        await sandbox.put("big", bytes(sandbox.limits.disk_bytes + 1))
    await sandbox.put("full", bytes(sandbox.limits.disk_bytes))
    with pytest.raises(SandboxFileError, match="full"):
        await sandbox.put("more", bytes(2**20))


async def test_processes_left_running_are_told_of_once(sandbox: Sandbox) -> None:
    start = "import subprocess\np = subprocess.Popen(['python3', '-c', 'import time; time.sleep(600)'])"

    assert (await sandbox.execute(start)).notices == ("processes of this sandbox still running: 1",)
    assert (await sandbox.execute("1")).notices == ()


async def test_output_after_the_end_of_a_call_is_labelled(sandbox: Sandbox) -> None:
    await sandbox.execute(
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n"
        "    os.write(1, b'late ')\n"
        "    os.rename('go', 'gone')\n"
        "    os._exit(0)\n"
    )
    await sandbox.put("go", b"")
    await _until(lambda: sandbox.get("gone"))

    outcome = await sandbox.execute("print('now')")

    assert outcome.stdout == "late now\n"
    assert "the output begins with what earlier calls' threads or processes wrote since" in outcome.notices


async def test_output_in_a_pipe_made_large_belongs_to_its_call(sandbox: Sandbox) -> None:
    code = "import fcntl, os\nfcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 2**20)\nos.write(1, b'x' * 2**20)\nNone"
    for _ in range(5):  # how much of it is read before the call ends is chance
        await sandbox.execute(code)

        assert (await sandbox.execute("1")).stdout == ""


async def test_an_interpreter_that_dies_between_calls_is_said_to_have_died(sandbox: Sandbox) -> None:
    await sandbox.execute(
        "import os, threading, time\n"
        "def die():\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n"
        "    os.rename('go', 'gone')\n"
        "    os._exit(3)\n"
        "threading.Thread(target=die).start()"
    )
    await sandbox.put("go", b"")
    await _until(lambda: sandbox.get("gone"))

    outcome = await sandbox.execute("1")

    assert outcome.state_lost
    assert re.match("the interpreter ended with exit code 3.*variables are lost", outcome.notices[0])


async def test_the_outcome_after_a_cancelled_call_says_that_it_cost_the_variables(sandbox: Sandbox) -> None:
    await sandbox.execute("x = 5")
    ignoring = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nopen('on', 'w')\nwhile True: pass"
    task = asyncio.create_task(sandbox.execute(ignoring))
    await asyncio.wait([task], timeout=0.3)  # it never ends by itself
    task.cancel()
    await asyncio.wait([task])

    outcome = await sandbox.execute("globals().get('x', 'lost')")

    assert outcome.result == "'lost'"
    assert outcome.state_lost
    assert outcome.notices == (
        "interrupted and did not stop when interrupted, so the interpreter was killed;"
        " variables are lost, files are kept",
    )
    assert not (await sandbox.execute("1")).state_lost, "it is said once"


async def test_cancelling_a_call_that_is_over_does_not_interrupt_the_next(sandbox: Sandbox) -> None:
    name = f"next-{os.getpid() % 10**8}"
    first = asyncio.create_task(sandbox.execute("1"))
    second = asyncio.create_task(
        sandbox.execute(f"import time\nopen('/proc/self/comm', 'w').write({name!r})\ntime.sleep(1)\n'whole'")
    )
    await asyncio.sleep(0)  # both are submitted
    _block_until_a_process_is_called(name)  # the event loop does not learn that the first is over

    first.cancel()
    await asyncio.wait([first])

    assert (await second).result == "'whole'"


async def test_cancelling_a_call_interrupts_its_code_and_keeps_the_state(sandbox: Sandbox) -> None:
    await sandbox.execute("x = 5")
    task = asyncio.create_task(sandbox.execute("while True: pass"))
    queued = asyncio.create_task(sandbox.execute("x = 6"))
    await asyncio.wait([task], timeout=0.3)  # it never ends by itself

    for each in (queued, task):
        each.cancel()
        with pytest.raises(asyncio.CancelledError):
            await each

    assert (await sandbox.execute("x")).result == "5"


async def test_a_call_cancelled_before_the_sandbox_runs_does_nothing(fresh: Sandbox) -> None:
    task = asyncio.create_task(fresh.execute("x = 5"))
    await asyncio.sleep(0)  # it is submitted, and the sandbox starts

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "NameError" in str((await fresh.execute("x")).error)


def _block_until_a_process_is_called(name: str) -> None:
    for path in itertools.chain.from_iterable(pathlib.Path("/proc").glob("[0-9]*/comm") for _ in range(10_000)):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == name:
                return
    raise AssertionError("no process has that name")


async def _until(attempt: Callable[[], Awaitable[object]]) -> None:
    """Repeat `attempt` until the file is there."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(SandboxFileError):
                await attempt()
                return


async def test_calls_of_many_tasks_wait_for_each_other(sandbox: Sandbox) -> None:
    await sandbox.execute("n = 0")

    outcomes = await asyncio.gather(*(sandbox.execute("n += 1\nn") for _ in range(20)))

    assert sorted(int(str(outcome.result)) for outcome in outcomes) == list(range(1, 21))


async def test_a_closed_sandbox_starts_anew(fresh: Sandbox) -> None:
    await fresh.execute("x = 1")
    await fresh.close()

    assert "NameError" in str((await fresh.execute("x")).error)
