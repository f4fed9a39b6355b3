"""From the name of a model to its engine and vocabulary."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ostinato.agent.pulled import is_hub_name, pulled_folder
from ostinato.agent.settings import Settings
from ostinato.agent.trajectory import read_trajectory
from ostinato.engine.interface import CheckpointError, Engine, Sampling
from ostinato.engine.scripted import ScriptedEngine
from ostinato.harmony import Tokenizer

Progress: TypeAlias = Callable[[int, int], None]
OnNotice: TypeAlias = Callable[[str], None]

NANO = "nano"
REPLAY = "replay:"
VOCABULARY = "vocabulary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model ready to use: `sampling` is what it is best run with, and `notice` what its user should know."""

    name: str
    engine: Engine
    tokenizer: Tokenizer
    sampling: Sampling = field(default_factory=Sampling)
    notice: str = ""


def load_model(
    name: str = NANO,
    *,
    expert_memory: int | None = None,
    progress: Progress | None = None,
    on_notice: OnNotice | None = None,
) -> Model:
    """Load the embedded model `nano`, the checkpoint in a folder, one that was pulled, or `replay:FILE`.

    Nothing is downloaded here: `gpt-oss-20b` or `openai/gpt-oss-20b` is what `ostinato pull` fetched before.

    A folder without a vocabulary file of its own speaks o200k_harmony, as gpt-oss does. A replay says what the model
    said in a recorded run; its tools are called again.

    Experts that `expert_memory`, in bytes, does not hold are read when they are asked; None is the memory there is.
    `progress` hears how many bytes of weights were read, of how many, and `on_notice` what is to be known before that.

    Raises:
        FileNotFoundError: if there is no such model, folder or file.
        CheckpointError: if the checkpoint, its vocabulary or the recorded run cannot be used.
        HarmonyError: if the folder's vocabulary file is not one.
    """
    if name.startswith(REPLAY):
        return _replay(_path(name.removeprefix(REPLAY)))
    return _checkpoint(
        name, checkpoint_folder(name), expert_memory=expert_memory, progress=progress, on_notice=on_notice
    )


def fitting_threads(name: str) -> int | None:
    """Return how many threads a model is run with; None leaves it to the engine. A small model is fastest with one."""
    return 1 if name == NANO else None


def checkpoint_folder(name: str) -> Path:
    """Return the folder of a model's weights: of the embedded one, of one that was pulled, or the folder it names.

    Raises:
        FileNotFoundError: if there is none; the message says what to do.
        CheckpointError: if only a part of it was pulled.
    """
    return nano_folder() if name == NANO else _folder(name)


def _checkpoint(
    name: str, folder: Path, *, expert_memory: int | None, progress: Progress | None, on_notice: OnNotice | None
) -> Model:
    from ostinato.engine.torch_engine import TorchEngine  # loads torch, which takes seconds

    vocabulary = folder / VOCABULARY
    tokenizer = Tokenizer.from_file(vocabulary) if vocabulary.exists() else Tokenizer.o200k_harmony()
    # The embedded model is trained and evaluated greedily, gpt-oss at 1.
    engine = TorchEngine.open(
        folder,
        threads=fitting_threads(name),
        expert_memory=expert_memory,
        progress=progress,
        on_notice=on_notice,
    )
    if tokenizer.vocab_size > engine.vocab_size:
        raise CheckpointError(
            f"the model in {folder} has {engine.vocab_size} tokens and the vocabulary {tokenizer.encoding.name!r} "
            f"has {tokenizer.vocab_size}; put the model's own {VOCABULARY} beside its weights"
        )
    sampling = Sampling(temperature=0.0) if name == NANO else Sampling()
    return Model(name=name, engine=engine, tokenizer=tokenizer, sampling=sampling, notice="; ".join(engine.notices))


def _replay(path: Path) -> Model:
    try:
        recording = read_trajectory(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no recorded run {str(path)!r}; name a trajectory file") from error
    except OSError as error:
        raise CheckpointError(f"cannot read the recorded run {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{error}; give a file that `ostinato run --trajectory` wrote") from error
    run = recording.records[0]
    tokenizer = _tokenizer_named(run.get("vocabulary"))
    if tokenizer is None or run.get("fingerprint", tokenizer.fingerprint) != tokenizer.fingerprint:
        raise CheckpointError(
            f"{path} was recorded with a vocabulary {run.get('vocabulary')!r} that is not here; "
            "replay it with the version of Ostinato that recorded it"
        )
    return Model(name=f"{REPLAY}{path}", engine=ScriptedEngine(recording.turns), tokenizer=tokenizer)


def _tokenizer_named(name: object) -> Tokenizer | None:
    tokenizer = Tokenizer.o200k_harmony()
    if tokenizer.encoding.name != name and (nano_folder() / VOCABULARY).exists():
        tokenizer = Tokenizer.from_file(nano_folder() / VOCABULARY)
    return tokenizer if tokenizer.encoding.name == name else None


def nano_folder() -> Path:
    """Return the folder of the embedded model's weights and vocabulary."""
    from ostinato.engine.nano import folder

    return folder()


def _folder(name: str) -> Path:
    folder = _path(name)
    if folder.is_dir():
        return folder
    if is_hub_name(name):
        return pulled_folder(name, Settings.from_environment().models)
    raise FileNotFoundError(f"no model named {name!r}; there is {NANO}, or give the folder of a checkpoint")


def _path(name: str) -> Path:
    return Path(os.path.expanduser(name))  # pathlib's own raises at `~nobody`
