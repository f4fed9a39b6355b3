"""From a name to a model: real checkpoints with random weights, and what is said of those that cannot be used."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiktoken
import torch

from ostinato.agent.agent import Agent
from ostinato.agent.budget import Budget
from ostinato.agent.events import Reason
from ostinato.agent.models import VOCABULARY, load_model
from ostinato.agent.trajectory import FORMAT, Trajectory
from ostinato.engine.checkpoint import save_checkpoint
from ostinato.engine.config import ModelConfig, alternating
from ostinato.engine.interface import CheckpointError, Sampling
from ostinato.engine.layouts import tensor_shapes
from ostinato.harmony import HarmonyError, Tokenizer

SPECIALS = ("start", "end", "message", "channel", "constrain", "call", "return")
CONFIG = ModelConfig(
    vocab_size=256 + len(SPECIALS),
    hidden_size=32,
    intermediate_size=32,
    num_query_heads=2,
    num_kv_heads=1,
    head_dim=16,
    num_experts=2,
    experts_per_token=1,
    layer_types=alternating(2),
    context_length=2048,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint whose vocabulary is the 256 bytes and harmony's special tokens."""
    generator = torch.Generator().manual_seed(0)
    shapes = tensor_shapes(CONFIG, is_packed=False).items()
    save_checkpoint(tmp_path, CONFIG, {name: torch.randn(shape, generator=generator) for name, shape in shapes})
    encoding = tiktoken.Encoding(
        name="bytes",
        pat_str=r"(?s).",
        mergeable_ranks={bytes([number]): number for number in range(256)},
        special_tokens={f"<|{name}|>": 256 + index for index, name in enumerate(SPECIALS)},
    )
    Tokenizer(encoding).save(tmp_path / VOCABULARY)
    return tmp_path


@pytest.mark.parametrize("seed", range(8))
async def test_a_model_that_says_anything_at_all_ends_with_a_reason(folder: Path, seed: int) -> None:
    model = load_model(str(folder))
    agent = Agent(model, budget=Budget(turns=3, tokens=150), sampling=Sampling(seed=seed))

    result = await agent.run("Hello?")

    assert result.reason in set(Reason)
    assert result.usage.sampled > 0
    await model.engine.aclose()


def test_a_checkpoint_runs_from_the_command_line(folder: Path, start: Callable[..., object]) -> None:
    process = start("run", "x", "--no-python", "--model", str(folder), "--max-tokens", "5", "--seed", "1")

    _, err = process.communicate(timeout=60)  # type: ignore[attr-defined]

    assert b"Traceback" not in err
    assert process.returncode in (0, 1, 54)  # type: ignore[attr-defined]


def test_a_folder_without_a_vocabulary_speaks_that_of_gpt_oss_which_must_fit(folder: Path) -> None:
    (folder / VOCABULARY).unlink()

    with pytest.raises(CheckpointError, match="has 263 tokens and the vocabulary 'o200k_harmony' has 201088; put"):
        load_model(str(folder))


def test_a_broken_vocabulary_is_named(folder: Path) -> None:
    (folder / VOCABULARY).write_text("{}")

    with pytest.raises(HarmonyError, match=r"vocabulary\.json is not a vocabulary file"):
        load_model(str(folder))


def test_a_corrupt_checkpoint_is_named(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])

    with pytest.raises(CheckpointError, match="safetensors"):
        load_model(str(folder))


@pytest.mark.parametrize("name", ["gpt-9", "~nobody/gpt-9"])
def test_an_unknown_name_is_answered_with_the_names_there_are(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no model named '{name}'; there is nano"):
        load_model(name)


def test_a_file_that_is_no_recorded_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("notes\n")

    with pytest.raises(CheckpointError, match=r"notes\.txt is not a trajectory"):
        load_model(f"replay:{path}")


@pytest.mark.parametrize(("fingerprint", "is_here"), [("0123456789abcdef", False), (None, True)])
def test_a_run_is_replayed_with_the_vocabulary_it_was_recorded_with(
    tmp_path: Path, fingerprint: str | None, is_here: bool
) -> None:
    path = tmp_path / "run.jsonl"
    here = Tokenizer.o200k_harmony().fingerprint
    with Trajectory.create(path) as trajectory:
        trajectory.write("run", format=FORMAT, vocabulary="o200k_harmony", fingerprint=fingerprint or here)

    if is_here:
        assert load_model(f"replay:{path}").tokenizer is Tokenizer.o200k_harmony()
    else:
        with pytest.raises(CheckpointError, match="recorded with a vocabulary 'o200k_harmony' that is not here"):
            load_model(f"replay:{path}")
