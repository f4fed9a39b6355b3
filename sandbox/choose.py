"""Which sandbox to use: Docker where an engine answers, else bubblewrap with a word about it, else none at all."""

from collections.abc import Callable
from typing import Literal

from ostinato.sandbox.interface import Limits, Outcome, Sandbox, SandboxUnavailable

Kind = Literal["auto", "docker", "bubblewrap"]


def open_sandbox(
    kind: str = "auto", *, limits: Limits | None = None, on_notice: Callable[[str], None] | None = None
) -> Sandbox:
    """Return a sandbox of `kind` (one of `Kind`), which starts with its first use.

    `auto` looks for a Docker engine when it starts and falls back to bubblewrap, telling `on_notice` in one line in
    what that is weaker. Code is never run unconfined: where neither works, `start` and `execute` raise
    SandboxUnavailable. Importing this file is cheap; the Docker client is loaded here.

    Raises:
        ValueError: for another kind.

    """
    from ostinato.sandbox.bubblewrap import BubblewrapSandbox
    from ostinato.sandbox.docker import DockerSandbox

    if kind == "docker":
        return DockerSandbox(limits, on_notice=on_notice)
    if kind == "bubblewrap":
        return BubblewrapSandbox(limits, on_notice=on_notice)
    if kind == "auto":
        candidates = (DockerSandbox(limits, on_notice=on_notice), BubblewrapSandbox(limits, on_notice=on_notice))
        return FirstAvailable(*candidates)
    raise ValueError(f"no sandbox named {kind!r}; there is auto, docker, bubblewrap")


class FirstAvailable:
    """The first of several sandboxes that can be started; the choice is made once."""

    def __init__(self, *candidates: Sandbox) -> None:
        self._candidates = candidates
        self._chosen: Sandbox | None = None

    @property
    def kind(self) -> str:
        """What was chosen; before the start, that nothing is."""
        return self._chosen.kind if self._chosen else "auto"

    @property
    def limits(self) -> Limits:
        """The limits, which all candidates share."""
        return self._candidates[0].limits

    async def start(self) -> None:
        """Start the first that can be started.

        Raises:
            SandboxUnavailable: if none can, with each one's reason.

        """
        if self._chosen is not None:
            return await self._chosen.start()
        reasons = []
        for candidate in self._candidates:
            try:
                await candidate.start()
            except SandboxUnavailable as reason:
                reasons.append(f"{candidate.kind}: {reason}")
                continue
            self._chosen = candidate
            return None
        raise SandboxUnavailable("no sandbox can run code here, so none is run.\n" + "\n".join(reasons))

    async def execute(self, code: str, *, timeout: float | None = None) -> Outcome:  # noqa: ASYNC109  (enforced inside)
        """Run `code` in the chosen sandbox."""
        return await (await self._choice()).execute(code, timeout=timeout)

    async def put(self, path: str, content: bytes) -> None:
        """Write a file below /mnt/data."""
        await (await self._choice()).put(path, content)

    async def get(self, path: str) -> bytes:
        """Read a regular file below /mnt/data."""
        return await (await self._choice()).get(path)

    async def close(self) -> None:
        """End whichever runs."""
        for candidate in self._candidates:
            await candidate.close()

    async def _choice(self) -> Sandbox:
        if self._chosen is None:
            await self.start()
        if self._chosen is None:
            raise AssertionError("start chooses or raises")
        return self._chosen
