"""Settings from the environment; nothing else in the package reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ostinato.agent.exit_codes import CommandError, ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says: OSTINATO_HOME (or the XDG data folder), OSTINATO_MODEL, OSTINATO_SANDBOX, NO_COLOR."""

    home: Path
    model: str = "nano"
    sandbox: str = "auto"
    no_color: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; an empty variable counts as unset, as NO_COLOR and XDG ask.

        Raises:
            CommandError: if there is no home folder.
        """
        return cls(
            home=_home(environment),
            model=environment.get("OSTINATO_MODEL") or "nano",
            sandbox=environment.get("OSTINATO_SANDBOX") or "auto",
            no_color=bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb",
        )

    @property
    def trajectories(self) -> Path:
        """Where runs are recorded."""
        return self.home / "trajectories"

    @property
    def models(self) -> Path:
        """Where pulled models are."""
        return self.home / "models"


def _home(environment: Mapping[str, str]) -> Path:
    if own := environment.get("OSTINATO_HOME"):
        return _expanded(own)
    shared = environment.get("XDG_DATA_HOME")
    base = Path(shared) if shared and Path(shared).is_absolute() else _expanded("~/.local/share")
    return base / "ostinato"


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        message = f"{path!r} is in no known home folder; set OSTINATO_HOME to the full path of a folder"
        raise CommandError(message, code=ExitCode.USAGE) from error
