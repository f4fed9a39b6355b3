"""Choosing a sandbox: what is there is used, what is not is explained, and nothing runs unconfined."""

import io
import os
import subprocess
import sys
import tarfile

import pytest

from ostinato.sandbox import Limits, SandboxUnavailable, open_sandbox
from ostinato.sandbox.docker import DockerSandbox, connect
from ostinato.sandbox.frames import Rules, Unpacker, pack
from ostinato.sandbox.program import program
from ostinato.sandbox.session import ChannelSandbox


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


@pytest.fixture
def no_bwrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


async def test_a_missing_engine_is_explained_in_one_line(no_docker: None) -> None:
    sandbox = open_sandbox("docker")
    with pytest.raises(SandboxUnavailable) as caught:
        await sandbox.start()
    await sandbox.close()

    assert str(caught.value).startswith("no Docker engine answers (")
    assert "apt-get install docker.io" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_without_docker_auto_falls_back_to_bubblewrap_and_says_so_once(
    no_docker: None, bubblewrap_kind: str
) -> None:
    notices: list[str] = []
    sandbox = open_sandbox("auto", on_notice=notices.append)
    try:
        assert (await sandbox.execute("1 + 1")).result == "2"
        await sandbox.execute("2")
    finally:
        await sandbox.close()

    assert sandbox.kind == "bubblewrap"
    assert len(notices) == 1
    assert "weaker than Docker" in notices[0]


async def test_with_docker_auto_uses_it_in_silence(docker_kind: str) -> None:
    notices: list[str] = []
    sandbox = open_sandbox("auto", on_notice=notices.append)
    try:
        assert (await sandbox.execute("1 + 1")).result == "2"
    finally:
        await sandbox.close()

    assert sandbox.kind == "docker"
    assert notices == []


async def test_without_any_nothing_is_run_and_each_way_to_get_one_is_named(no_docker: None, no_bwrap: None) -> None:
    sandbox = open_sandbox("auto")
    with pytest.raises(SandboxUnavailable, match="no sandbox can run code here, so none is run") as caught:
        await sandbox.execute("print('unconfined')")
    await sandbox.close()

    assert "apt-get install docker.io" in str(caught.value)
    assert "apt-get install bubblewrap" in str(caught.value)


async def test_an_image_that_is_not_there_is_named(docker_kind: str) -> None:
    sandbox = DockerSandbox(image="ostinato-no-such-image:1")
    with pytest.raises(SandboxUnavailable, match="ostinato-no-such-image:1"):
        await sandbox.start()
    await sandbox.close()


async def test_an_image_without_python_is_told_apart(docker_kind: str) -> None:
    client = connect()
    client.api.import_image_from_data(_empty_tar(), repository="ostinato-empty", tag="test")
    sandbox = DockerSandbox(image="ostinato-empty:test")
    try:
        with pytest.raises(SandboxUnavailable, match="python3"):
            await sandbox.start()
    finally:
        await sandbox.close()
        client.api.remove_image("ostinato-empty:test", force=True)
        client.close()


def test_the_program_tells_which_walls_are_missing(bubblewrap_kind: str) -> None:
    rules = Rules(memory_bytes=2**28, output_chars=1000, rlimits={})
    half_open = "--unshare-user --unshare-pid --as-pid-1 --ro-bind / / --proc /proc --dev /dev --bind /tmp /tmp --"
    command = ["bwrap", *half_open.split(), "/usr/bin/python3", "-I", "-c", program(rules)]

    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    faults = str(Unpacker().feed(ended.stdout)[0]["faults"])
    assert "Seccomp is '0', not 2" in faults
    assert "sockets of the family AF_NETLINK can be opened" in faults
    assert "the code could make a user namespace" in faults


async def test_a_sandbox_with_a_missing_wall_does_not_start() -> None:
    sandbox = LeakySandbox()
    try:
        with pytest.raises(SandboxUnavailable, match="the leaky sandbox is not tight here: /etc can be written to"):
            await sandbox.execute("print('unconfined')")
    finally:
        await sandbox.close()

    assert sandbox.box.is_destroyed


class LeakyBox:
    """A box that owns up to a fault and would answer nothing else."""

    is_destroyed = False

    def send(self, content: bytes) -> None:
        raise AssertionError("nothing may be sent to it")

    def receive(self, seconds: float) -> bytes:
        return pack({"id": "ready", "faults": ["/etc can be written to"], "python": "3.11"})

    def last_words(self) -> str:
        return ""

    def destroy(self) -> None:
        self.is_destroyed = True


class LeakySandbox(ChannelSandbox):
    kind = "leaky"

    def __init__(self) -> None:
        super().__init__()
        self.box = LeakyBox()

    def _open(self) -> LeakyBox:
        return self.box


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no sandbox named 'chroot'; there is auto, docker, bubblewrap"):
        open_sandbox("chroot")


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"memory_bytes": -1}, {"output_chars": 10**9}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Limits(**limits)  # type: ignore[arg-type]


def test_importing_the_layer_loads_no_docker_client() -> None:
    code = "import sys, ostinato.sandbox; sys.exit('docker' in sys.modules or 'pydantic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ)).returncode == 0


def _empty_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    return buffer.getvalue()
