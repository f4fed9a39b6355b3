"""Pulled models: from a model's name to its repository on the hub, and to its folder here."""

import re
from pathlib import Path

from ostinato.agent.exit_codes import CommandError, ExitCode
from ostinato.engine.interface import CheckpointError

_OWNER = "openai"  # of models that are named without one
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def is_hub_name(name: str) -> bool:
    """Say whether a name may be a repository's, or is that of a gpt-oss without its owner."""
    return bool(_NAME.fullmatch(name)) or (name.startswith("gpt-oss") and "/" not in name)


def repository_of(name: str) -> str:
    """Return the repository that a name stands for: `gpt-oss-20b` is OpenAI's.

    Raises:
        CommandError: if it is no name of one.
    """
    if not is_hub_name(name) or name.startswith((".", "/")) or ".." in name:
        message = f"{name!r} is no name of a repository; give OWNER/NAME, such as openai/gpt-oss-20b"
        raise CommandError(message, code=ExitCode.USAGE)
    return name if "/" in name else f"{_OWNER}/{name}"


def folder_of(name: str, models: Path) -> Path:
    """Return the folder below `models` where a repository's files belong."""
    return models.joinpath(*repository_of(name).split("/"))


def pulled_folder(name: str, models: Path) -> Path:
    """Return the folder of a model that was pulled.

    Raises:
        FileNotFoundError: if it was not; the message says how to.
        CheckpointError: if only a part of it is here.
    """
    from ostinato.engine.manifest import Manifest  # loads pydantic

    folder = folder_of(name, models)
    manifest = Manifest.read(folder)
    if manifest is None and not folder.is_dir():
        advice = f"fetch it with `ostinato pull {name}`, or give the folder of a checkpoint"
        raise FileNotFoundError(f"no model named {name!r} is here; {advice}")
    if manifest is None or not manifest.is_complete:
        raise CheckpointError(f"only a part of {name} is here; fetch the rest with `ostinato pull {name}`")
    return folder
