"""From the name of a model to its engine and vocabulary."""

from dataclasses import dataclass, field
from pathlib import Path

from ostinato.engine.interface import CheckpointError, Engine, Sampling
from ostinato.harmony import Tokenizer

NANO = "nano"
VOCABULARY = "vocabulary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model ready to use: `sampling` is what it is best run with."""

    name: str
    engine: Engine
    tokenizer: Tokenizer
    sampling: Sampling = field(default_factory=Sampling)


def load_model(name: str = NANO) -> Model:
    """Load the embedded model `nano`, or the checkpoint in a folder; nothing is ever downloaded.

    A folder without a vocabulary file of its own speaks o200k_harmony, as gpt-oss does.

    Raises:
        FileNotFoundError: if there is no such model or folder.
        CheckpointError: if the checkpoint, or its vocabulary, cannot be used.
        HarmonyError: if the folder's vocabulary file is not one.
    """
    folder = _folder(name)
    from ostinato.engine.torch_engine import TorchEngine  # loads torch, which takes seconds

    vocabulary = folder / VOCABULARY
    tokenizer = Tokenizer.from_file(vocabulary) if vocabulary.exists() else Tokenizer.o200k_harmony()
    engine = TorchEngine.open(folder)
    if tokenizer.vocab_size > engine.vocab_size:
        raise CheckpointError(
            f"the model in {folder} has {engine.vocab_size} tokens and the vocabulary {tokenizer.encoding.name!r} "
            f"has {tokenizer.vocab_size}; put the model's own {VOCABULARY} beside its weights"
        )
    # The embedded model is trained and evaluated greedily; gpt-oss was tuned for temperature 1.
    sampling = Sampling(temperature=0.0) if name == NANO else Sampling()
    return Model(name=name, engine=engine, tokenizer=tokenizer, sampling=sampling)


def _folder(name: str) -> Path:
    if name == NANO:
        from ostinato.engine import nano

        return nano.folder()
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"no model named {name!r}; there is {NANO}, or give the folder of a checkpoint")
    return folder
