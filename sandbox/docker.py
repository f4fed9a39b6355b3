"""DockerSandbox: the program in a hardened container, spoken to over its attached stdin and stdout.

No network, no capabilities, no root, a read-only image, two small memory file systems, our own system call profile, and
limits on memory, processes and CPU. The container's stdin is opened once (`StdinOnce`): when this process ends, however
it ends, the engine closes that stdin, the program sees the end and goes, and the engine removes the container.
"""

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.utils import kwargs_from_env

from ostinato.sandbox.build import ensure_image
from ostinato.sandbox.interface import Limits, SandboxError, SandboxUnavailable
from ostinato.sandbox.owner import Owner
from ostinato.sandbox.program import environment, program
from ostinato.sandbox.seccomp import docker_profile
from ostinato.sandbox.session import ChannelSandbox

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
LABEL = "org.ostinato.sandbox"
USER = "65534:65534"
STDERR_STREAM = 2
LAST_WORDS_BYTES = 2000
ENGINE_ERRORS = (DockerException, OSError)  # OSError: those of requests, which the client lets through
ADVICE = (
    "install one (Debian, Ubuntu: `apt-get install docker.io`; else https://docs.docker.com/engine/install), start it"
    " (`systemctl start docker`, or `dockerd` as root), join its group (`docker`), or point DOCKER_HOST at it"
)


class DockerSandbox(ChannelSandbox):
    """Runs code in a container of its own.

    `image` is any image with `python3` 3.11 or newer; by default ours, which is built when it is missing (`on_notice`
    is told). `runtime` is passed on to the engine, for example `runsc` for gVisor.
    """

    kind = "docker"

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        image: str | None = None,
        runtime: str | None = None,
        client: docker.DockerClient | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(limits)
        self._image = image
        self._runtime = runtime
        self._client = client
        self._owns_client = client is None
        self._on_notice = on_notice or (lambda _: None)

    def _open(self) -> "DockerBox":
        if self._client is None:
            self._client = connect()
        try:
            remove_orphans(self._client)
            image = self._image or ensure_image(self._client, on_notice=self._on_notice)
            return DockerBox(self._client, self._create(self._client, image))
        except ImageNotFound as error:
            raise SandboxUnavailable(
                f"there is no image {image!r} on this Docker engine: {error.explanation}"
            ) from error
        except ENGINE_ERRORS as error:
            raise SandboxUnavailable(f"the Docker engine refused a sandbox: {error}") from error

    def _release(self) -> None:
        super()._release()
        if self._owns_client and self._client is not None:
            self._client.close()
            self._client = None

    def _create(self, client: docker.DockerClient, image: str) -> str:
        created = client.api.create_container(
            image,
            command=["-I", "-B", "-X", "utf8", "-c", program(self._rules())],
            entrypoint="python3",
            user=USER,
            working_dir="/mnt/data",
            stdin_open=True,
            detach=False,  # makes the engine close stdin when we go
            network_disabled=True,
            environment=environment(self.limits),
            labels=labels(Owner.this_process()),
            stop_signal="SIGKILL",
            host_config=client.api.create_host_config(**confinement(self.limits), runtime=self._runtime),
        )
        return str(created["Id"])


class DockerBox:
    """A running container and the socket attached to it."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        self.container = container
        self._api = client.api
        self._pending = bytearray()
        self._last_words = bytearray()
        try:
            streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            self._attached = self._api.attach_socket(container, params=streams)
            self._socket: socket.socket = getattr(self._attached, "_sock", self._attached)
            self._api.start(container)
        except ENGINE_ERRORS:
            self.destroy()
            raise

    def send(self, content: bytes, seconds: float) -> None:
        """Write all of `content`."""
        self._socket.settimeout(seconds)
        self._socket.sendall(content)

    def receive(self, seconds: float) -> bytes:
        """Return the next bytes of stdout, unpacking the engine's stream: kind, three zeros, length, content."""
        deadline = time.monotonic() + seconds
        while True:
            while (packet := self._next_packet()) is not None:
                kind, content = packet
                if kind != STDERR_STREAM:
                    return content
                self._last_words = (self._last_words + content)[-LAST_WORDS_BYTES:]
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            received = self._socket.recv(2**16)
            if not received:
                return b""
            self._pending += received

    def _next_packet(self) -> tuple[int, bytes] | None:
        if len(self._pending) < 8:
            return None
        end = 8 + int.from_bytes(self._pending[4:8], "big")
        if len(self._pending) < end:
            return None
        packet = self._pending[0], bytes(self._pending[8:end])
        del self._pending[:end]
        return packet

    def last_words(self) -> str:
        """Return the end of what the program wrote to its stderr."""
        return self._last_words.decode("utf-8", "replace").strip()

    def destroy(self) -> None:
        """Remove the container with all in it."""
        with suppress(AttributeError, OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._api.remove_container(self.container, force=True, v=True)
        except ENGINE_ERRORS as error:
            if not _is_removed(error):
                raise SandboxError(f"the container {self.container[:12]} could not be removed: {error}") from error
        finally:
            with suppress(AttributeError, OSError):
                self._attached.close()
                self._socket.close()


def _is_removed(error: Exception) -> bool:
    """Say whether the engine refuses to remove a container because it is gone or going."""
    return isinstance(error, NotFound) or (isinstance(error, APIError) and error.status_code == HTTPStatus.CONFLICT)


def connect() -> docker.DockerClient:
    """Return a client of the engine that DOCKER_HOST or the default socket names.

    Raises:
        SandboxUnavailable: if none answers, with what to do.

    """
    settings = kwargs_from_env()
    try:
        _knock(settings.get("base_url") or DEFAULT_SOCKET)
        client = docker.DockerClient(**settings)
        client.ping()
    except (DockerException, OSError) as error:
        raise SandboxUnavailable(f"no Docker engine answers ({_root_cause(error)}): {ADVICE}") from error
    return client


def _knock(address: str) -> None:
    """Raise OSError if nothing listens on a local socket; the client would say so less clearly and leave one open."""
    scheme, _, path = address.partition("://")
    if scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)


def confinement(limits: Limits) -> dict[str, Any]:
    """Return the part of the container's settings that keeps the code inside."""
    folder = f"rw,noexec,nosuid,nodev,size={limits.disk_bytes},nr_inodes={limits.files}"
    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={docker_profile()}"],
        "tmpfs": {
            "/tmp": f"{folder},mode=1777",
            "/dev/shm": f"{folder},mode=1777",
            "/mnt/data": f"{folder},mode=0700,uid=65534,gid=65534",
        },
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,
        "pids_limit": limits.processes,
        "nano_cpus": int(limits.cpus * 1e9),
        "ulimits": [
            Ulimit(name="nofile", soft=256, hard=256),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=limits.disk_bytes, hard=limits.disk_bytes),
        ],
        "ipc_mode": "private",
        "log_config": LogConfig(type=LogConfig.types.NONE),
        "auto_remove": True,
    }


def labels(owner: Owner) -> dict[str, str]:
    """Return the labels by which `remove_orphans` knows whose container it is."""
    return {LABEL: json.dumps({"host": owner.host, "pid": owner.pid, "started": owner.started})}


def remove_orphans(client: docker.DockerClient) -> None:
    """Remove the containers whose owner on this host is dead; normally there are none, as they end by themselves."""
    for container in client.api.containers(all=True, filters={"label": LABEL}):
        with suppress(ValueError, TypeError):
            if Owner(**json.loads(container["Labels"][LABEL])).is_dead():
                with suppress(APIError):
                    client.api.remove_container(container["Id"], force=True, v=True)


def _root_cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__
