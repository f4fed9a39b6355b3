"""How sandboxes end: nothing is left of them, whoever ends them and however."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ostinato.sandbox import Limits, SandboxError, open_sandbox
from ostinato.sandbox.build import ensure_image
from ostinato.sandbox.docker import DEFAULT_SOCKET, LABEL, connect, labels
from ostinato.sandbox.owner import Owner
from ostinato.sandbox.session import ChannelSandbox

HANG_SECONDS = 30.0
DEAF = """
import signal
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
while True: pass
"""


def marked(number: int) -> Limits:
    """Return limits that show in the command line of the sandbox's program, and so tell it from others."""
    return Limits(seconds=20, output_chars=10_000 + number + os.getpid() % 100_000)


def programs(limits: Limits) -> list[int]:
    """Return the processes on this machine that run a sandbox's program with `limits`, as process 1 inside."""
    mark = f'"output_chars": {limits.output_chars},'.encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"


def containers(label: str = LABEL) -> set[str]:
    client = connect()
    try:
        return {container["Id"] for container in client.api.containers(all=True, filters={"label": label})}
    finally:
        client.close()


async def test_closing_leaves_no_process(kind: str) -> None:
    limits = marked(1)
    sandbox = open_sandbox(kind, limits=limits)
    await sandbox.execute("import subprocess\nsubprocess.Popen(['python3', '-c', 'import time; time.sleep(600)'])")
    assert programs(limits)

    await sandbox.close()

    assert not programs(limits)
    await sandbox.close()  # again, which changes nothing


async def test_closing_ends_a_call_that_runs(kind: str) -> None:
    limits = marked(2)
    sandbox = open_sandbox(kind, limits=limits)
    await sandbox.start()
    call = asyncio.create_task(sandbox.execute("while True: pass"))
    await asyncio.wait([call], timeout=0.2)  # it never ends by itself

    await sandbox.close()

    assert (await call).state_lost
    assert not programs(limits)


async def test_closing_ends_calls_that_wait(kind: str) -> None:
    sandbox = open_sandbox(kind, limits=marked(7))
    await sandbox.start()
    calls = [asyncio.create_task(sandbox.execute("while True: pass")) for _ in range(3)]
    await asyncio.wait(calls, timeout=0.2)  # they never end by themselves

    await sandbox.close()

    for call in calls:
        assert (await call).notices == ("the sandbox was closed, so variables and files are lost",)


async def test_closing_ends_a_call_whose_sandbox_is_starting(kind: str) -> None:
    limits = marked(8)
    sandbox = open_sandbox(kind, limits=limits)
    call = asyncio.create_task(sandbox.execute("while True: pass"))
    await asyncio.sleep(0)  # it is submitted, and the sandbox starts

    await sandbox.close()

    assert (await call).notices == ("the sandbox was closed, so variables and files are lost",)
    assert not programs(limits)


async def test_calls_and_closings_in_any_order_get_their_answers(kind: str) -> None:
    limits = marked(9)
    sandbox = open_sandbox(kind, limits=limits)
    calls = [sandbox.execute("1"), sandbox.close(), sandbox.execute("1"), sandbox.close(), sandbox.execute("1")]

    answers = await asyncio.gather(*calls)

    assert all(answer is None or answer.result == "1" or answer.state_lost for answer in answers), answers
    await sandbox.close()
    assert not programs(limits)


async def test_a_process_with_many_open_files_can_close_its_sandbox(kind: str) -> None:
    limits = marked(10)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 2000:
        pytest.skip(f"only {before[1]} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, before[1]))
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]  # select(2) takes none above 1023
    try:
        sandbox = open_sandbox(kind, limits=limits)
        await sandbox.execute("1")
        await sandbox.close()
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert not programs(limits)


async def test_closing_an_unused_sandbox_starts_nothing(kind: str) -> None:
    limits = marked(3)
    await open_sandbox(kind, limits=limits).close()

    assert not programs(limits)


async def test_a_closed_container_is_removed(docker_kind: str) -> None:
    ours = f"{LABEL}={labels(Owner.this_process())[LABEL]}"
    before = containers(ours)
    sandbox = open_sandbox("docker")
    await sandbox.start()
    started = containers(ours) - before

    await sandbox.close()

    assert started
    assert not started & containers()


@pytest.mark.parametrize("code", ["import time; time.sleep(600)", DEAF])
def test_a_host_process_killed_with_kill_9_leaves_nothing(kind: str, code: str) -> None:
    limits = marked(4)
    host = f"""
import asyncio
from ostinato.sandbox import Limits, SandboxError, open_sandbox
async def main():
    sandbox = open_sandbox({kind!r}, limits=Limits(seconds=600, output_chars={limits.output_chars}))
    await sandbox.start()
    print("started", flush=True)
    await sandbox.execute({code!r})
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", host], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        assert programs(limits)

        process.kill()
        process.wait()

    wait_until(lambda: not programs(limits))


def test_an_interrupt_typed_at_the_terminal_is_the_hosts_alone(kind: str) -> None:
    host = f"""
import asyncio, os, signal
from ostinato.sandbox import open_sandbox
async def main():
    sandbox = open_sandbox({kind!r})
    await sandbox.execute("x = 5")
    os.killpg(0, signal.SIGINT)
    print((await sandbox.execute("x")).result)
    await sandbox.close()
signal.signal(signal.SIGINT, lambda *_: None)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", host], stdout=subprocess.PIPE, start_new_session=True, check=True)

    assert ended.stdout == b"5\n"


async def test_a_sandbox_that_answers_nothing_is_replaced(kind: str) -> None:
    limits = marked(5)
    sandbox = open_sandbox(kind, limits=limits)
    assert isinstance(sandbox, ChannelSandbox)
    sandbox.answer_seconds = 1
    await sandbox.execute("x = 1")
    stopped = programs(limits)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)  # from outside, where it works

    outcome = await sandbox.execute("x", timeout=0.1)

    assert outcome.timed_out
    assert outcome.state_lost
    assert outcome.notices == (
        "timed out after 0.1 s and nothing in the sandbox answered; it is replaced by a new one,"
        " so variables and files are lost",
    )
    assert (await sandbox.execute("1 + 1")).result == "2"
    assert not set(stopped) & set(programs(limits))
    await sandbox.close()


async def test_a_sandbox_that_reads_nothing_is_replaced(kind: str) -> None:
    limits = marked(11)
    sandbox = open_sandbox(kind, limits=limits)
    assert isinstance(sandbox, ChannelSandbox)
    sandbox.answer_seconds = 1
    await sandbox.start()
    for pid in programs(limits):
        os.kill(pid, signal.SIGSTOP)

    outcome = await sandbox.execute("#" + "x" * 8 * 2**20, timeout=0.1)

    assert outcome.timed_out
    assert outcome.state_lost
    await sandbox.close()
    assert not programs(limits)


async def test_an_interrupt_that_comes_with_its_call_is_heard(kind: str) -> None:
    limits = marked(12)
    sandbox = open_sandbox(kind, limits=limits)
    await sandbox.execute("x = 5")
    for pid in programs(limits):
        os.kill(pid, signal.SIGSTOP)
    call = asyncio.create_task(sandbox.execute("while True: pass"))
    await asyncio.wait([call], timeout=0.3)  # it is sent, and nobody reads it
    call.cancel()
    await asyncio.wait([call], timeout=0.3)  # the interrupt is sent, too
    for pid in programs(limits):
        os.kill(pid, signal.SIGCONT)

    await asyncio.wait([call])

    assert (await sandbox.execute("x")).result == "5"
    await sandbox.close()


async def test_a_sandbox_killed_from_outside_is_replaced(kind: str) -> None:
    limits = marked(6)
    sandbox = open_sandbox(kind, limits=limits)
    await sandbox.start()
    for pid in programs(limits):
        os.kill(pid, signal.SIGKILL)

    outcome = await sandbox.execute("1")

    assert outcome.state_lost
    assert "it is replaced by a new one" in outcome.notices[0]
    assert (await sandbox.execute("1 + 1")).result == "2"
    await sandbox.close()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the client forgets a socket that found nobody
async def test_an_engine_that_goes_away_is_an_error_of_the_sandbox(
    docker_kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limits = marked(13)
    connections: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with contextlib.suppress(OSError):
            while content := await reader.read(2**16):
                writer.write(content)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_engine, to_engine = await asyncio.open_unix_connection(DEFAULT_SOCKET.removeprefix("unix://"))
        await asyncio.gather(pump(reader, to_engine), pump(from_engine, writer))

    server = await asyncio.start_unix_server(relay, tmp_path / "engine")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'engine'}")
    sandbox = open_sandbox(docker_kind, limits=limits)
    await sandbox.start()
    assert programs(limits)

    server.close()
    (tmp_path / "engine").unlink()
    for connection in connections:
        connection.close()

    with pytest.raises(SandboxError, match="could not be removed"):
        await sandbox.execute("1")
    with pytest.raises(SandboxError, match="the Docker engine refused a sandbox"):
        await sandbox.execute("1")
    await sandbox.close()
    wait_until(lambda: not programs(limits))  # it goes by itself
    gc.collect()


async def test_orphaned_containers_of_dead_owners_are_removed_at_the_next_start(docker_kind: str) -> None:
    sandbox = open_sandbox("docker")
    await sandbox.start()
    dead = Owner(host=Owner.this_process().host, pid=os.getpid(), started="1")
    stranger = Owner(host="elsewhere", pid=1, started="1")
    client = connect()
    try:
        image = ensure_image(client)
        of_dead, of_stranger = (
            client.api.create_container(image, entrypoint="python3", labels=labels(owner))["Id"]
            for owner in (dead, stranger)
        )
        await sandbox.close()
        await sandbox.start()

        assert of_dead not in containers()
        assert of_stranger in containers(), "nobody here can know whether its owner lives"
        client.api.remove_container(of_stranger, force=True)
    finally:
        client.close()
        await sandbox.close()
