"""Ctrl-C, SIGTERM and kill -9: the run ends, nothing is left running, and its record can be read."""

import fcntl
import json
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from ostinato.agent.trajectory import read_trajectory
from ostinato.sandbox.docker import LABEL, connect

Start = Callable[..., "subprocess.Popen[bytes]"]
Model = Callable[..., str]
Running = Callable[..., "subprocess.Popen[bytes]"]

SECONDS = 60  # a process that hangs is a failure
SLEEP = "<|channel|>analysis to=python code<|message|>import time\ntime.sleep(600)<|call|>"
ENDLESS = "<|channel|>analysis<|message|>" + " hm" * 100_000


@pytest.fixture
def running(start: Start) -> Callable[..., "subprocess.Popen[bytes]"]:
    """Start a run and return once its activity shows `sign`."""

    def until(sign: bytes, *arguments: str) -> "subprocess.Popen[bytes]":
        process = start("run", "x", *arguments)
        assert process.stderr is not None
        shown = b""
        while sign not in shown:
            piece = process.stderr.read1(4096)  # type: ignore[attr-defined]
            assert piece, shown.decode()
            shown += piece
        return process

    return until


def belongings(kind: str, pid: int) -> Callable[[], list[str]]:
    """Look at what process `pid` runs in its sandbox, and return what tells how much of it is still there."""
    if kind == "docker":
        found = containers(pid)
        still_there = lambda: [each for each in containers(pid) if each in found]  # noqa: E731
    else:
        found = descendants(pid)
        still_there = lambda: [each for each in found if is_alive(each)]  # noqa: E731
    assert found
    return still_there


def containers(pid: int) -> list[str]:
    """Return the containers that process `pid` started."""
    client = connect()
    try:
        there = client.api.containers(all=True, filters={"label": LABEL})
    finally:
        client.close()
    return [each["Id"] for each in there if json.loads(each["Labels"][LABEL])["pid"] == pid]


def descendants(pid: int) -> list[str]:
    """Return the processes below process `pid`."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    threads = [path.name for path in Path(f"/proc/{pid}/task").iterdir() if path.name != str(pid)]
    for thread in threads:
        children += Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
    return children + [each for child in children for each in descendants(int(child))]


def is_alive(pid: str) -> bool:
    """Say whether there is such a process, and it is not just waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < deadline


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_tool_call_leaves_no_sandbox_and_a_readable_trajectory(
    running: Running, model: Model, tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    path = tmp_path / "run.jsonl"
    process = running(b"sleep", "--model", model(SLEEP), "--sandbox", kind, "--trajectory", str(path))
    still_there = belongings(kind, process.pid)

    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)

    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    wait_until(lambda: not still_there())
    recording = read_trajectory(path)
    assert recording.reason == "interrupted"
    assert recording.messages[-1].text == "error: no result: interrupted"


def test_a_killed_process_leaves_no_sandbox_and_a_readable_trajectory(
    running: Running, model: Model, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "run.jsonl"
    process = running(b"sleep", "--model", model(SLEEP), "--sandbox", kind, "--trajectory", str(path))
    still_there = belongings(kind, process.pid)

    process.kill()
    process.wait(timeout=SECONDS)

    wait_until(lambda: not still_there())
    recording = read_trajectory(path)
    assert recording.reason is None
    assert "sleep(600)" in recording.messages[-1].text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_generation_keeps_what_was_said(
    running: Running, model: Model, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "run.jsonl"
    process = running(b"hm hm", "--no-python", "--model", model(ENDLESS), "--trajectory", str(path))

    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)

    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    recording = read_trajectory(path)
    assert recording.reason == "interrupted"
    assert recording.messages[-1].text.startswith(" hm hm")


def test_a_run_is_told_to_answer_by_a_signal_and_goes_on(running: Running, model: Model, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    process = running(b"hm hm", "--no-python", "--model", model(ENDLESS), "--trajectory", str(path))
    assert process.stderr is not None

    process.send_signal(signal.SIGUSR1)
    shown = b""
    while b"told to answer now" not in shown:
        piece = process.stderr.read1(4096)  # type: ignore[attr-defined]
        assert piece, shown[-500:].decode()
        shown += piece

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "asked" in [record["type"] for record in read_trajectory(path).records]


PROGRAM = """
import asyncio
from ostinato import Agent, scripted_engine, tool

@tool
async def wait() -> str:
    print("waiting", flush=True)
    await asyncio.Event().wait()

call = "<|channel|>commentary to=functions.wait<|message|>{}<|call|>"
with Agent(scripted_engine(call, "<|channel|>final<|message|>Hello.<|return|>"), tools=[wait]) as agent:
    try:
        agent.run_sync("x")
    except KeyboardInterrupt:
        print(agent.conversation[-1].text)
    print(agent.run_sync("y").text)
"""


def test_ctrl_c_in_run_sync_is_a_keyboard_interrupt_after_which_the_agent_goes_on(environment: dict[str, str]) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"

        process.send_signal(signal.SIGINT)

        assert process.communicate(timeout=SECONDS)[0] == b"error: no result: interrupted\nHello.\n"
    assert process.returncode == 0


def test_an_interrupt_ends_a_run_whose_activity_nobody_reads(start: Start, model: Model) -> None:
    process = start("run", "x", "--no-python", "--model", model(ENDLESS))
    assert process.stderr is not None
    capacity = fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
    wait_until(lambda: waiting_bytes(process.stderr) > capacity - 64)

    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=SECONDS) == 130


def test_an_interrupt_while_the_task_is_read_ends_the_process(start: Start) -> None:
    process = start("run", "-", "--no-python")
    assert process.stdin is not None
    process.stdin.write(b"half a ta")
    process.stdin.flush()
    wait_until(lambda: waiting_bytes(process.stdin) == 0)

    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=SECONDS) == 130


def waiting_bytes(pipe: IO[bytes] | None) -> int:
    """Return how much was written to a pipe and is not yet read."""
    assert pipe is not None
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["ostinato.agent.cli", "argparse", "ostinato.harmony"])
def test_the_command_can_be_interrupted_while_it_is_loaded(
    module: str, number: signal.Signals, environment: dict[str, str]
) -> None:
    program = f"""
import os, sys
class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Interrupting())
from ostinato.__main__ import main
main()
"""
    ended = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, capture_output=True, timeout=SECONDS, check=False
    )

    assert (ended.returncode, ended.stderr) == (130, b"")
