"""`ostinato engine check`: whether the kernels compute correctly here, and a model's files are what they should be."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ostinato.agent.engine_view import Row, folder_of, print_table
from ostinato.agent.exit_codes import ExitCode
from ostinato.agent.settings import Settings
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.interface import CheckpointError
from ostinato.engine.kernels.library import Library
from ostinato.engine.manifest import Manifest, complaint_of
from ostinato.engine.self_test import BOUND, CASES, FORMS, Finding, findings


def check(name: str, settings: Settings, *, library: Library | None, has_kernels: bool = True) -> int:
    """Check kernels (those of `library`, if `has_kernels`) and model, print what was found, and return the exit code.

    Raises:
        CommandError, CheckpointError: if there is no such model, or its files do not belong together.
    """
    folder = folder_of(name)
    checking = _Check(settings)
    if has_kernels:
        print_table("kernels", [checking.kernels(library)], settings)
    print_table(name, checking.model(folder), settings)
    for line in checking.wrong:
        sys.stderr.write(f"ostinato: {line}\n")
    return ExitCode.FAILED if checking.wrong else ExitCode.ANSWERED


class _Check:
    """What is looked at, and what was `wrong`."""

    def __init__(self, settings: Settings) -> None:
        self.wrong: list[str] = []
        self._console = Console(stderr=True, no_color=settings.no_color or None)

    def kernels(self, library: Library | None) -> Row:
        """Compare every way of computing with the reference."""
        if library is None:
            return "none", "not built; install a C++ compiler, then Ostinato again"
        found = self._found(library)
        for finding in found:
            if not finding.is_sound:
                what = f"{finding.what}, {finding.form.name.lower()} weights"
                self.wrong.append(f"kernels {library.kind}: {what}: off by {finding.error:.2%}, allowed is {BOUND:.1%}")
        worst = max(found, key=lambda finding: finding.error)
        state = "WRONG" if self.wrong else "right"
        ways = f"{len(found)} ways of computing, off by {worst.error:.2%} at most ({worst.what}), {BOUND:.1%} allowed"
        return library.kind, f"{state}: {ways}"

    def model(self, folder: Path) -> Iterator[Row]:
        """Compare files with what they should be, then read every tensor."""
        yield self._files(folder)
        yield self._tensors(Checkpoint.open(folder))

    def _found(self, library: Library) -> list[Finding]:
        found = []
        with self._progress(f"kernels {library.kind}", len(CASES) * len(FORMS)) as advance:
            for finding in findings(library):
                found.append(finding)
                advance(1)
        return found

    def _files(self, folder: Path) -> Row:
        manifest = Manifest.read(folder)
        if manifest is None:
            return "files", "not compared: nothing says what they should be, as they were not pulled"
        wrong = []
        with self._progress("files", sum(record.size for record in manifest.files.values())) as advance:
            for name, record in manifest.files.items():
                complaint = complaint_of(folder, name, record, advance)
                wrong += [complaint] if complaint else []
        self.wrong += wrong
        source = f"{manifest.repository} at {manifest.revision[:12]}"
        return "files", f"{_state(wrong, len(manifest.files))}: SHA-256 of {source}"

    def _tensors(self, checkpoint: Checkpoint) -> Row:
        wrong = []
        with self._progress("tensors", checkpoint.num_bytes) as advance:
            for name in checkpoint:
                try:
                    advance(checkpoint[name].nbytes)
                except CheckpointError as error:
                    wrong.append(str(error))
        self.wrong += wrong
        return "tensors", f"{_state(wrong, len(checkpoint))}: names, shapes, types, and numbers that may be weights"

    @contextmanager
    def _progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        ) as progress:
            task = progress.add_task(what, total=total)
            yield lambda count: progress.advance(task, count)


def _state(wrong: list[str], count: int) -> str:
    return f"{len(wrong)} of {count} WRONG" if wrong else f"{count} right"
