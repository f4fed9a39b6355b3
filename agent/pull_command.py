"""`ostinato pull`: a model from the hub into the data folder; how it goes is shown on stderr, its folder on stdout."""

import os
import signal
import sys
import threading
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ostinato.agent.exit_codes import ExitCode
from ostinato.agent.pull import pull
from ostinato.agent.pulled import folder_of, repository_of
from ostinato.agent.settings import Settings
from ostinato.agent.sizes import readable_size


def pull_model(name: str, settings: Settings, *, revision: str | None, folder: Path | None) -> int:
    """Fetch a model and return the exit code.

    Raises:
        CommandError, EngineError: with one line for the user.
    """
    repository = repository_of(name)
    target = folder or folder_of(name, settings.models)
    console = Console(stderr=True, no_color=settings.no_color or None, highlight=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    shown = Shown(console)
    try:
        with shown:
            manifest = pull(repository, revision, target, shown)
    except KeyboardInterrupt:
        sys.stderr.write("ostinato: interrupted; the same command goes on from here\n")
        sys.stderr.flush()
        os._exit(ExitCode.INTERRUPTED)  # threads may be waiting for the network
    size = readable_size(sum(record.size for record in manifest.files.values()))
    console.print(f"{repository} at {manifest.revision[:12]}: {size}, verified", soft_wrap=True)
    sys.stdout.write(f"{target}\n")
    return ExitCode.ANSWERED


class Shown:
    """A bar on a terminal, and a line for each file that is whole."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task: TaskID | None = None
        self._verifying: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> "Shown":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def begin(self, num_bytes: int, done: int) -> None:
        """Show how much there is, and how much of it is here."""
        here = f", {readable_size(done)} of it is here" if done else ""
        self._console.print(f"{readable_size(num_bytes)} of weights{here}", soft_wrap=True)
        self._task = self._progress.add_task("fetching", total=num_bytes, completed=done)

    def advance(self, num_bytes: int) -> None:
        """Count bytes."""
        if self._task is not None:
            self._progress.advance(self._task, num_bytes)

    def verifying(self, name: str) -> None:
        """Say that a file is being hashed."""
        self._describe(name, is_verifying=True)

    def verified(self, name: str, size: int) -> None:
        """Say that a file of weights is whole."""
        self._describe(name, is_verifying=False)
        if self._task is not None:
            self._console.print(f"{name}  {readable_size(size)}  verified", soft_wrap=True)

    def _describe(self, name: str, *, is_verifying: bool) -> None:
        with self._lock:
            (self._verifying.add if is_verifying else self._verifying.discard)(name)
            if self._task is not None:
                self._progress.update(self._task, description="verifying" if self._verifying else "fetching")
