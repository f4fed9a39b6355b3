"""OwnLoop: the event loop of code that is not asynchronous."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class OwnLoop:
    """One loop for all synchronous runs: a sandbox that was started on a loop must be used on it again."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run what `make` makes.

        Raises:
            RuntimeError: inside a running event loop.
        """
        return self._open().run(make())

    def close(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run what `make` makes, and end the loop; another run would begin another.

        Raises:
            RuntimeError: inside a running event loop.
        """
        with self._open() as runner:
            self._runner = None
            runner.run(make())

    def _open(self) -> asyncio.Runner:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._runner = self._runner or asyncio.Runner()
            return self._runner
        raise RuntimeError("an event loop is running here; use `await agent.run(text)`")
