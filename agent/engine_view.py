"""How the engine's commands print: names and what is to be said, readable in any width and without colours."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ostinato.agent.activity import printable
from ostinato.agent.exit_codes import CommandError, ExitCode
from ostinato.agent.models import checkpoint_folder
from ostinato.agent.settings import Settings

Row: TypeAlias = tuple[str, str]


def folder_of(model: str) -> Path:
    """Return the folder of a model's weights.

    Raises:
        CommandError, CheckpointError: if there is no such model.
    """
    try:
        return checkpoint_folder(model)
    except FileNotFoundError as error:
        raise CommandError(str(error), code=ExitCode.USAGE) from error


def print_table(title: str, rows: Iterable[Row], settings: Settings) -> None:
    """Print rows below a title on stdout."""
    console = Console(no_color=settings.no_color or None, highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(f"  {name}", Text(printable(text)))
    with console.capture() as captured:
        console.print(Text(printable(title), style="bold"))
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    sys.stdout.write("\n".join(lines) + "\n")
