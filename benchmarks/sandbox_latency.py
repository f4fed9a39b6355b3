"""Measure each sandbox: start, close, the overhead of a call, an interrupt, a restart.

Beside them, what a call costs without a lasting interpreter: `docker run` and a new Python process for each.

    python benchmarks/sandbox_latency.py
"""

import argparse
import asyncio
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from ostinato.sandbox import Limits, SandboxUnavailable, open_sandbox
from ostinato.sandbox.build import ensure_image
from ostinato.sandbox.docker import connect

DOCKER_RUN = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "python3")
STARTS, CALLS, FEW = 5, 500, 10


async def milliseconds(action: Callable[[], Awaitable[object]]) -> float:
    """Return how long `action` takes."""
    start = time.perf_counter()
    await action()
    return (time.perf_counter() - start) * 1000


async def measure(kind: str) -> None:
    """Measure one kind of sandbox."""
    sandbox = open_sandbox(kind, limits=Limits(seconds=10))
    starts, closes = [], []
    for _ in range(STARTS):
        starts.append(await milliseconds(sandbox.start))
        closes.append(await milliseconds(sandbox.close))
    await sandbox.start()
    calls = [await milliseconds(lambda: sandbox.execute("1")) for _ in range(CALLS)]
    output = [await milliseconds(lambda: sandbox.execute("print('x' * 10**6)")) for _ in range(FEW)]
    interrupts = [await milliseconds(lambda: sandbox.execute("while True: pass", timeout=0.2)) for _ in range(FEW)]
    restarts = [await milliseconds(lambda: sandbox.execute("import os; os._exit(0)")) for _ in range(FEW)]
    await sandbox.close()
    rows = {
        "start": starts,
        "close": closes,
        "call": calls,
        "call printing 1 MB": output,
        "call interrupted after 200 ms": interrupts,
        "call that kills its interpreter": restarts,
    }
    for name, values in rows.items():
        report(f"{kind}: {name}", values)


def report(name: str, values: list[float]) -> None:
    """Print one row."""
    print(f"{name:48} median {statistics.median(values):8.2f} ms   max {max(values):8.2f} ms   n={len(values)}")


def measure_without_state() -> None:
    """Measure what keeps no variables."""
    commands = {"a new python process": [sys.executable, "-I", "-c", "1"]}
    try:
        client = connect()
        image = ensure_image(client)
        client.close()
        commands["docker run --network none"] = [*DOCKER_RUN, image, "-c", "1"]
    except SandboxUnavailable as reason:
        print(f"docker run: skipped, {reason}")
    for name, command in commands.items():
        values = []
        for _ in range(FEW):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            values.append((time.perf_counter() - start) * 1000)
        report(f"peer: {name}", values)


async def main() -> None:
    """Measure all that is there."""
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for kind in ("docker", "bubblewrap"):
        try:
            await measure(kind)
        except SandboxUnavailable as reason:
            print(f"{kind}: skipped, {reason}")
    measure_without_state()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    asyncio.run(main())
