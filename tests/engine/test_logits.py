"""The oracle is transformers; the reference must equal it, and every fast path the reference."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from tests.engine.original_layout import save_original_layout
from torch import Tensor
from transformers import GptOssConfig, GptOssForCausalLM, Mxfp4Config

from ostinato.engine import reference
from ostinato.engine.checkpoint import Checkpoint, save_checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.experts import ExpertForm
from ostinato.engine.model import Transformer

TOLERANCE = 1e-4
FORMS: list[ExpertForm] = ["dense", "sparse", "packed"]
VARIANTS = [
    "as released",
    "without rope scaling",
    "with a ramp cut to whole pairs",
    "with the released rope",
    "with a window of one",
    "with a window longer than the prompt",
    "with one layer",
    "with full layers only",
    "with one expert of five",
    "with every expert",
    "with a head each",
    "with tight clamps",
]

MakeTensors = Callable[[ModelConfig], dict[str, Tensor]]


@pytest.mark.filterwarnings("ignore:The explicitly set RoPE scaling factor")
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_reference_equals_transformers(
    variant: str, variants: Mapping[str, ModelConfig], make_tensors: MakeTensors, prompt: list[int]
) -> None:
    config = variants[variant]
    tensors = make_tensors(config)

    assert distance(reference.forward(config, tensors, prompt), oracle(config, tensors, prompt)) < TOLERANCE


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("lengths", [[40], [1] * 40, [13, 1, 1, 17, 8]], ids=["whole", "by token", "in pieces"])
def test_the_transformer_equals_the_reference(
    variant: str,
    form: ExpertForm,
    lengths: list[int],
    variants: Mapping[str, ModelConfig],
    make_tensors: MakeTensors,
    prompt: list[int],
) -> None:
    config = variants[variant]
    tensors = make_tensors(config)

    logits = read(Transformer(config, tensors, form=form), prompt, lengths)

    assert distance(logits, reference.forward(config, tensors, prompt)) < TOLERANCE


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_experts_equals_the_reference_on_mxfp4(form: ExpertForm, folder: Path, prompt: list[int]) -> None:
    checkpoint = Checkpoint.open(folder)

    logits = read(Transformer(checkpoint.config, checkpoint, form=form), prompt, [30] + [1] * 10)

    assert distance(logits, reference.forward(checkpoint.config, checkpoint, prompt)) < TOLERANCE


def test_a_long_sequence_moves_the_window_and_stays_exact(config: ModelConfig, tensors: Mapping[str, Tensor]) -> None:
    ids = torch.randint(0, config.vocab_size, (900,), generator=torch.Generator().manual_seed(2)).tolist()

    logits = read(Transformer(config, tensors), ids, [256, 256, 256, *[1] * 132])

    assert distance(logits, reference.forward(config, tensors, ids)) < TOLERANCE


@pytest.mark.parametrize("is_packed", [True, False], ids=["mxfp4", "plain"])
def test_transformers_loads_what_we_save_and_agrees(
    is_packed: bool, config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int], tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, config, tensors, is_packed=is_packed)
    checkpoint = Checkpoint.open(tmp_path)
    model = GptOssForCausalLM.from_pretrained(
        tmp_path,
        attn_implementation="eager",
        dtype=torch.float32,
        quantization_config=Mxfp4Config(dequantize=True) if is_packed else None,
    )

    with torch.inference_mode():
        theirs = model(torch.tensor([prompt])).logits[0]

    assert distance(read(Transformer(config, checkpoint), prompt, [40]), theirs) < TOLERANCE


def test_what_transformers_saves_is_read(config: ModelConfig, tensors: Mapping[str, Tensor], tmp_path: Path) -> None:
    model = oracle_model(config, tensors)
    model.save_pretrained(tmp_path)

    checkpoint = Checkpoint.open(tmp_path)

    assert checkpoint.config == config
    assert set(checkpoint) == set(tensors)
    assert all(torch.equal(checkpoint[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("is_packed", [True, False], ids=["mxfp4", "plain"])
def test_both_layouts_give_identical_logits(
    is_packed: bool, config: ModelConfig, tensors: Mapping[str, Tensor], prompt: list[int], tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "official", config, tensors, is_packed=is_packed)
    official = Checkpoint.open(tmp_path / "official")
    save_original_layout(tmp_path / "original", official)

    original = Checkpoint.open(tmp_path / "original")

    assert original.config == config
    ours, theirs = (Transformer(config, checkpoint) for checkpoint in (original, official))
    assert torch.equal(read(ours, prompt, [40]), read(theirs, prompt, [40]))


def test_bfloat16_stays_close_to_float32(config: ModelConfig, folder: Path, prompt: list[int]) -> None:
    checkpoint = Checkpoint.open(folder)

    rough = read(Transformer(config, checkpoint, dtype=torch.bfloat16), prompt, [30] + [1] * 10)
    exact = read(Transformer(config, checkpoint), prompt, [40])

    assert rough.dtype == torch.float32
    assert torch.corrcoef(torch.stack((rough.flatten(), exact.flatten())))[0, 1] > 0.99


def read(model: Transformer, ids: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """Return the logits that follow each id, read in pieces of the given lengths."""
    cache = model.new_cache()
    pieces = torch.tensor(ids).split(list(lengths))
    return torch.cat([model.logits(model.advance(piece.tolist(), cache)) for piece in pieces])


def distance(first: Tensor, second: Tensor) -> float:
    assert first.shape == second.shape
    return float((first - second).abs().max())


def oracle_model(config: ModelConfig, tensors: Mapping[str, Tensor]) -> GptOssForCausalLM:
    model = GptOssForCausalLM._from_config(GptOssConfig(**config.to_fields()), attn_implementation="eager")
    model.load_state_dict(dict(tensors), strict=True)
    return model.float().eval()


def oracle(config: ModelConfig, tensors: Mapping[str, Tensor], ids: list[int]) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = oracle_model(config, tensors)(torch.tensor([ids])).logits[0]
    return logits
