"""The self-test accepts the kernels that were built, and refuses libraries that are made to compute wrongly."""

import copy
import ctypes
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ostinato.engine import reference
from ostinato.engine.checkpoint import save_checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.interface import EngineError
from ostinato.engine.kernels.library import Form, Library, libraries
from ostinato.engine.loading import load
from ostinato.engine.self_test import (
    BOUND,
    CASES,
    FORMS,
    SMALL,
    findings,
    quick_finding,
    random_ids,
    random_weights,
    sound_library,
)

KINDS = list(libraries())

pytestmark = pytest.mark.skipif(not KINDS, reason="no kernels were built: there was no C++ compiler")

Change = Callable[[float], float]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_built_here_computes_correctly(kind: str, form: Form) -> None:
    assert quick_finding(libraries()[kind], form).error < BOUND / 2


def test_every_way_of_computing_is_correct() -> None:
    found = list(findings(libraries()[KINDS[0]]))

    assert [finding for finding in found if not finding.is_sound] == []
    assert {finding.form for finding in found} == set(FORMS)
    assert len({finding.what for finding in found}) == len(found) / 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(lambda logit: logit * 1.05, 0.05, id="five percent off"),
        pytest.param(lambda logit: math.nan, math.inf, id="no number"),
        pytest.param(lambda logit: 0.0, 1.0, id="nothing"),
    ],
)
def test_a_library_with_wrong_numbers_is_passed_over_for_the_next(form: Form, change: Change, error: float) -> None:
    good = libraries()[KINDS[-1]]
    bad = broken(good, change)

    choice = sound_library(form, [bad, good])

    assert quick_finding(bad, form).error == pytest.approx(error, abs=0.01)
    assert choice.library is good
    (notice,) = choice.refused
    assert f"kernels for {good.kind} compute wrong numbers on this processor" in notice
    assert "install Ostinato again" in notice


def test_with_wrong_libraries_only_there_is_none() -> None:
    bad = [broken(library, lambda logit: -logit) for library in libraries().values()]

    choice = sound_library(Form.INT8, bad)

    assert choice.library is None
    assert len(choice.refused) == len(bad)


def test_a_sound_library_is_chosen_without_a_word() -> None:
    choice = sound_library(Form.BFLOAT16)

    assert (choice.library, choice.refused) == (libraries()[KINDS[0]], ())


def test_a_model_is_loaded_with_the_next_library_and_its_user_is_told(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, SMALL, random_weights(SMALL))
    good = libraries()[KINDS[-1]]
    bad = broken(good, lambda logit: logit + 1)

    model, notices = load(tmp_path, candidates=[bad, good])
    alone, reasons = load(tmp_path, candidates=[bad])

    assert (model.backend, len(notices)) == (good.kind, 1)
    assert alone.backend == "torch"
    assert reasons == (*notices, "the engine runs on torch alone, slower")
    with pytest.raises(EngineError, match="the compiled kernels cannot run this model; the compiled kernels for"):
        load(tmp_path, candidates=[bad], uses_kernels=True)
    model.close()


@pytest.mark.parametrize("config", dict.fromkeys(case.config for case in CASES if case.config.num_experts > 2))
def test_no_token_of_the_test_is_in_doubt_of_its_experts(config: ModelConfig) -> None:
    tensors, ids = random_weights(config), random_ids(200, config)
    x = tensors["model.embed_tokens.weight"].float()[torch.tensor(ids)]
    for layer in range(config.num_layers):
        prefix = f"model.layers.{layer}"
        normed = reference.norm(x, tensors[f"{prefix}.input_layernorm.weight"], config.norm_eps)
        x = x + reference.attention(config, tensors, layer, normed)
        normed = reference.norm(x, tensors[f"{prefix}.post_attention_layernorm.weight"], config.norm_eps)

        weight, bias = (tensors[f"{prefix}.mlp.router.{kind}"].float() for kind in ("weight", "bias"))
        ranked = (normed @ weight.T + bias).sort(dim=-1, descending=True).values
        margins = ranked[:, config.experts_per_token - 1] - ranked[:, config.experts_per_token]

        assert margins.min() > 1
        x = x + reference.experts(config, tensors, layer, normed)


def broken(library: Library, change: Change) -> Library:
    """Return a library whose step changes the logits."""
    copied = copy.copy(library)

    def step(*arguments: object) -> None:
        library.step(*arguments)
        num_rows, num_only, logits = arguments[4], arguments[6], arguments[7]
        width = num_only or SMALL.vocab_size
        floats = (ctypes.c_float * (num_rows * width)).from_address(logits)
        for index in range(len(floats)):
            floats[index] = change(floats[index])

    copied.step = step
    return copied
