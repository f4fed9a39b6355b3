"""The training's model must be the engine's model, and a run must go on where it was stopped."""

import asyncio
import json
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path

import torch

from ostinato.engine import reference
from ostinato.engine.interface import Sampling
from ostinato.engine.torch_engine import TorchEngine
from ostinato.harmony import Tokenizer
from ostinato.training.batches import ROW, copying, documents, make_batch, packed_rows
from ostinato.training.export import export, shape_of
from ostinato.training.model import initial_weights, logits, nano_config
from ostinato.training.optimiser import orthogonalised
from ostinato.training.phrasing import Split


def test_the_training_computes_what_the_reference_does_however_rows_are_packed(tokenizer: Tokenizer) -> None:
    config = nano_config(tokenizer.vocab_size, layers=2)
    weights = initial_weights(config, torch.Generator().manual_seed(0))
    short = (d for d in documents(random.Random(0), Split.TRAIN, tokenizer) if len(d.ids) <= ROW // 2)
    row = list(islice(short, 2))

    together = logits(config, weights, make_batch([row], config.sliding_window))[0]

    start = 0
    for document in row:
        alone = reference.forward(config, weights, document.ids)
        torch.testing.assert_close(together[start : start + len(document.ids)], alone, atol=1e-4, rtol=1e-4)
        start += len(document.ids)


def test_rows_are_packed_tightly_and_hold_whole_documents(tokenizer: Tokenizer) -> None:
    rows = list(islice(packed_rows(documents(random.Random(1), Split.TRAIN, tokenizer)), 30))

    filled = [sum(len(document.ids) for document in row) for row in rows]
    assert max(filled) <= ROW
    assert sum(filled) / len(filled) > 0.93 * ROW


def test_what_is_to_be_copied_stands_earlier_in_the_row(tokenizer: Tokenizer) -> None:
    for document in islice(copying(random.Random(2), tokenizer), 20):
        for place, is_learnt in enumerate(document.mask):
            if is_learnt:
                before = document.ids[place - 2 : place + 1]
                earlier = [document.ids[i : i + 3] for i in range(place - 2)]
                assert before in earlier


def test_orthogonalised_matrices_move_all_directions_at_about_one_speed() -> None:
    matrix = torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(0))

    speeds = torch.linalg.svdvals(orthogonalised(matrix))

    assert speeds.min() > 0.5
    assert speeds.max() < 1.5


def test_a_run_goes_on_where_it_was_stopped_and_its_export_runs_in_the_engine(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    tokenizer.save(out / "vocabulary.json")
    for tokens in (2 * 2 * ROW, 5 * 2 * ROW):
        train(out, tokens)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]

    assert [line["step"] for line in log] == [2, 5]
    assert 0 <= log[-1]["values_tokens"] <= 1

    export(out, tmp_path / "exported")
    weights = torch.load(out / "checkpoint.pt", weights_only=True)["weights"]
    engine = TorchEngine.open(tmp_path / "exported")
    assert engine.vocab_size == tokenizer.vocab_size == shape_of(weights).vocab_size
    assert len(asyncio.run(generated(engine))) == 3


async def generated(engine: TorchEngine) -> list[int]:
    ids = [number async for number in engine.stream([1, 2], sampling=Sampling(max_tokens=3), stop_ids=())]
    await engine.aclose()
    return ids


def train(out: Path, tokens: int) -> None:
    size = ["--layers", "2", "--hidden-size", "64", "--processes", "1", "--rows", "2", "--no-compile"]
    size += ["--evaluation-rows", "3"]
    command = [sys.executable, "-m", "ostinato.training.train", "--out", out, "--tokens", str(tokens), *size]
    subprocess.run(command, check=True, capture_output=True)
