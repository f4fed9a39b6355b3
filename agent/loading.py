"""Loading: what a user sees of weights being read, if it takes longer than a moment."""

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

PATIENCE = 1.0  # seconds in which there is nothing to see


class LoadingBar:
    """Shows on `console` how much is read: a bar on a terminal, which goes when all is, and one line elsewhere.

    Within the first `patience` seconds it shows nothing. Call it from any thread with the bytes read and all there are.
    """

    def __init__(self, console: Console, *, patience: float = PATIENCE) -> None:
        self._console, self._patience = console, patience
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._bar: Progress | None = None
        self._is_over = console.quiet

    def __enter__(self) -> Self:
        """Begin to be patient."""
        self._begin = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away, and show nothing more, also if something still reads."""
        with self._lock:
            self._is_over = True
            if self._bar is not None:
                self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are read."""
        with self._lock:
            if self._is_over or time.monotonic() - self._begin < self._patience:
                return
            if self._console.is_terminal and not self._console.is_dumb_terminal:
                self._shown(total).update(self._task, completed=done)
            else:
                self._console.print(Text(f"loading {total / 1e9:.1f} GB of weights", style="dim"), soft_wrap=True)
                self._is_over = True

    def _shown(self, total: int) -> Progress:
        if self._bar is None:
            columns = DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
            self._bar = Progress(TextColumn("loading"), BarColumn(), *columns, console=self._console, transient=True)
            self._task = self._bar.add_task("", total=total)
            self._bar.start()
        return self._bar
