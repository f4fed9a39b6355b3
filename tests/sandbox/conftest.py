"""The sandboxes that every test of the conformance suite runs on."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from functools import cache

import pytest

from ostinato.sandbox import Limits, Sandbox, SandboxUnavailable, open_sandbox

LIMITS = Limits(seconds=20, memory_bytes=256 * 2**20, disk_bytes=16 * 2**20, files=2000, output_chars=2000)

CLEAR = """
import os, shutil
for folder in ('/tmp', '/mnt/data', '/dev/shm'):
    for entry in os.scandir(folder):
        shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)
os._exit(0)
"""


@cache
def why_missing(kind: str) -> str | None:
    """Say why a sandbox of `kind` cannot be had here; None if it can. The first call may build the image."""

    async def attempt() -> str | None:
        sandbox = open_sandbox(kind)
        try:
            await sandbox.start()
        except SandboxUnavailable as reason:
            return str(reason)
        finally:
            await sandbox.close()
        return None

    return asyncio.run(attempt())


@pytest.fixture(scope="session", autouse=True)
def availability() -> None:
    """Find out what there is before a test changes the environment."""
    for kind in ("docker", "bubblewrap"):
        why_missing(kind)


@pytest.fixture(params=["docker", "bubblewrap"])
def kind(request: pytest.FixtureRequest) -> str:
    return require(request.param)


@pytest.fixture
def docker_kind() -> str:
    return require("docker")


@pytest.fixture
def bubblewrap_kind() -> str:
    return require("bubblewrap")


def require(kind: str) -> str:
    reason = why_missing(kind)
    if reason and kind == "docker" and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have Docker: {reason}")
    if reason:
        pytest.skip(reason)
    return kind


@pytest.fixture(scope="session")
def shared() -> Iterator[dict[str, Sandbox]]:
    sandboxes: dict[str, Sandbox] = {}
    yield sandboxes
    for sandbox in sandboxes.values():
        asyncio.run(sandbox.close())


@pytest.fixture
async def sandbox(kind: str, shared: dict[str, Sandbox]) -> Sandbox:
    """A sandbox without variables, files and processes of earlier tests; started once, as that takes longest."""
    if kind not in shared:
        shared[kind] = open_sandbox(kind, limits=LIMITS)
    for code in ("import os; os._exit(0)", CLEAR):  # first the variables, which may hold all descriptors
        assert (await shared[kind].execute(code)).state_lost
    return shared[kind]


@pytest.fixture
async def fresh(kind: str) -> AsyncIterator[Sandbox]:
    """A sandbox of the test's own."""
    sandbox = open_sandbox(kind, limits=LIMITS)
    yield sandbox
    await sandbox.close()
