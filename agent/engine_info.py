"""`ostinato engine info`: what this machine computes with, what a model takes of it, and how fast that may be."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from ostinato.agent.engine_view import Row, folder_of, print_table
from ostinato.agent.exit_codes import ExitCode
from ostinato.agent.settings import Settings
from ostinato.agent.sizes import readable_size
from ostinato.engine.bandwidth import read_bandwidth
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.kernels.model import can_run
from ostinato.engine.loading import fitting_form
from ostinato.engine.self_test import sound_library
from ostinato.engine.survey import Machine, ModelSurvey, survey_machine, survey_model

_CONTEXTS = (0, 16_384, 65_536)  # tokens before the one whose speed is estimated


def show_info(name: str, settings: Settings, *, is_json: bool) -> int:
    """Print what there is to know, and return the exit code.

    Raises:
        CommandError, CheckpointError: if there is no such model.
    """
    folder = folder_of(name)
    checkpoint = Checkpoint.open(folder)
    form = fitting_form(checkpoint.config)
    machine = survey_machine(form)
    library = sound_library(form).library
    bandwidth = read_bandwidth()
    model = None
    if library is not None and can_run(checkpoint.config, is_packed=checkpoint.is_packed):
        model = survey_model(checkpoint, library, machine.memory)
    if is_json:
        sys.stdout.write(json.dumps(_fields(name, folder, machine, bandwidth, model), indent=2) + "\n")
    else:
        print_table("machine", _machine_rows(machine, bandwidth), settings)
        print_table(name, _model_rows(checkpoint, model, bandwidth), settings)
    return ExitCode.ANSWERED


def _machine_rows(machine: Machine, bandwidth: float) -> Iterator[Row]:
    yield "processor", f"{machine.processor}, {machine.cores} cores"
    yield "memory", f"{readable_size(machine.memory)} available"
    yield "reading", f"{bandwidth / 1e9:.1f} GB/s, measured now on all cores"
    for kind, what in machine.kernels.items():
        yield f"kernels {kind}", what
    if not machine.kernels:
        yield "kernels", "none were built; install a C++ compiler, then Ostinato again"


def _model_rows(checkpoint: Checkpoint, model: ModelSurvey | None, bandwidth: float) -> Iterator[Row]:
    config = checkpoint.config
    yield "layers", f"{config.num_layers} of width {config.hidden_size}"
    yield "experts", f"{config.num_experts} a layer, {config.experts_per_token} of them asked"
    yield "context", f"{config.context_length:,} tokens; the vocabulary has {config.vocab_size:,}"
    yield "on disk", readable_size(checkpoint.num_bytes)
    if model is None:
        yield "runs on", "torch alone, slower: nothing is estimated"
        return
    for part, size in model.parts.items():
        yield f"{part} in memory", readable_size(size)
    yield "weights in memory", f"{readable_size(model.weights)}, others than experts in {model.form.name.lower()}"
    yield "keys and values", f"{readable_size(1000 * model.cache_per_token)} per 1,000 tokens"
    yield "fits", _fit(model)
    yield "read per token", readable_size(model.read_per_token)
    for context in (context for context in _CONTEXTS if context < config.context_length):
        speed = model.tokens_per_second(bandwidth, context=context)
        yield f"after {context:,} tokens", f"at most {speed:,.1f} tokens/s, an estimate"


def _fit(model: ModelSurvey) -> str:
    if model.longest == 0:
        return "no: the weights and a sequence need more memory than is available"
    whole = " (the whole context)" if model.longest == model.config.context_length else ""
    return f"yes, with {model.longest:,} tokens{whole}"


def _fields(
    name: str, folder: Path, machine: Machine, bandwidth: float, model: ModelSurvey | None
) -> dict[str, object]:
    fields: dict[str, object] = {
        "model": name,
        "folder": str(folder),
        "processor": machine.processor,
        "cores": machine.cores,
        "memory_available_bytes": machine.memory,
        "read_bytes_per_second": round(bandwidth),
        "kernels": dict(machine.kernels),
    }
    if model is None:
        return fields | {"runs_on": "torch"}
    return fields | {
        "runs_on": model.kernels,
        "layers": model.config.num_layers,
        "hidden_size": model.config.hidden_size,
        "experts": model.config.num_experts,
        "experts_per_token": model.config.experts_per_token,
        "context_length": model.config.context_length,
        "vocabulary": model.config.vocab_size,
        "form": model.form.name.lower(),
        "weights_bytes": model.weights,
        "parts_bytes": dict(model.parts),
        "embedding_file_bytes": model.in_file,
        "cache_bytes_per_token": model.cache_per_token,
        "cache_bytes_per_sequence": model.fixed_cache,
        "longest_context_that_fits": model.longest,
        "read_bytes_per_token": model.read_per_token,
        "estimated_tokens_per_second": {
            str(context): round(model.tokens_per_second(bandwidth, context=context), 2)
            for context in _CONTEXTS
            if context < model.config.context_length
        },
    }
