"""Train the embedded model from nothing: `python -m ostinato.training.train --out runs/nano`.

Two processes of one thread each work on their own rows and average their gradients, which on a busy machine is far
faster than two threads. The run can be stopped at any moment and goes on from its last checkpoint when started again.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed
from torch.multiprocessing.spawn import spawn

from ostinato.harmony import Tokenizer
from ostinato.training.batches import Batch, Document, copying, documents, make_batch, packed_rows
from ostinato.training.model import Weights, initial_weights, logits, loss, nano_config
from ostinato.training.optimiser import make_optimisers
from ostinato.training.phrasing import Split
from ostinato.training.vocabulary import make_tokenizer

COPYING_PART = 0.2  # of the run: so long copying exercises are mixed in
COPYING_SHARE = 1 / 3  # of the rows in that part
CONSTANT_PART = 0.4  # of the run: then the learning rate falls to nothing
WARMUP_STEPS = 50
CHECKPOINT_STEPS = 100
EVALUATION_STEPS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to do."""

    out: Path
    tokens: int
    processes: int
    rows: int
    seed: int
    adam_lr: float
    muon_lr: float
    hidden_size: int
    layers: int
    experts: int
    is_compiled: bool
    evaluation_rows: int


def main() -> None:
    """Read the command line, make the vocabulary, and train in as many processes as asked for."""
    plan = _read_arguments()
    plan.out.mkdir(parents=True, exist_ok=True)
    if not (plan.out / "vocabulary.json").exists():
        make_tokenizer(plan.seed).save(plan.out / "vocabulary.json")
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29571")
    spawn(run, args=(plan,), nprocs=plan.processes)  # type: ignore[no-untyped-call]  # torch has no types for it


def run(rank: int, plan: Plan) -> None:
    """Train as one of the processes."""
    torch.set_num_threads(1)
    if plan.processes > 1:
        distributed.init_process_group("gloo", rank=rank, world_size=plan.processes)
    tokenizer = Tokenizer.from_file(plan.out / "vocabulary.json")
    config = nano_config(tokenizer.vocab_size, hidden_size=plan.hidden_size, layers=plan.layers, experts=plan.experts)
    weights = initial_weights(config, torch.Generator().manual_seed(plan.seed))
    for weight in weights.values():
        weight.requires_grad_(True)
    optimisers = make_optimisers(weights, adam_lr=plan.adam_lr, muon_lr=plan.muon_lr)
    step, seen = _resume(plan, weights, optimisers)
    compiled = torch.compile(loss) if plan.is_compiled else loss
    rows = Rows(random.Random(f"{plan.seed} {rank} {step}"), tokenizer)
    started, started_at = time.monotonic(), seen
    while seen < plan.tokens:
        progress = seen / plan.tokens
        batch = make_batch(rows.draw(plan.rows, copying=progress < COPYING_PART), config.sliding_window)
        with torch.autocast("cpu", torch.bfloat16):
            total, right, count = compiled(config, weights, batch)
        (total / count).backward()  # type: ignore[no-untyped-call]  # nor for this
        _average_gradients(weights, plan.processes)
        rate = min(1.0, (1 - progress) / (1 - CONSTANT_PART)) * min(1.0, (step + 1) / WARMUP_STEPS)
        _move(optimisers, (plan.adam_lr * rate, plan.muon_lr * rate))
        step += 1
        seen += plan.rows * plan.processes * batch.ids.shape[1]
        if rank == 0:
            line = {"step": step, "tokens": seen, "loss": (total / count).item(), "accuracy": (right / count).item()}
            if step % EVALUATION_STEPS == 0 or seen >= plan.tokens:
                line |= evaluate(
                    lambda b: logits(config, weights, b), tokenizer, config.sliding_window, rows=plan.evaluation_rows
                )
            if step % 20 == 0 or len(line) > 4:
                speed = (seen - started_at) / (time.monotonic() - started)
                _log(plan, line | {"tokens_per_second": round(speed), "seconds": round(time.monotonic() - started)})
            if step % CHECKPOINT_STEPS == 0 or seen >= plan.tokens:
                _save(plan, weights, optimisers, step, seen)


class Rows:
    """Draws rows of episodes, and of copying exercises while these are asked for."""

    def __init__(self, rng: random.Random, tokenizer: Tokenizer) -> None:
        self.rng = rng
        self.episodes = packed_rows(documents(rng, Split.TRAIN, tokenizer))
        self.copying = copying(rng, tokenizer)

    def draw(self, count: int, *, copying: bool) -> list[list[Document]]:
        """Draw `count` rows."""
        share = COPYING_SHARE if copying else 0.0
        return [[next(self.copying)] if self.rng.random() < share else next(self.episodes) for _ in range(count)]


def evaluate(forward: Callable[[Batch], Tensor], tokenizer: Tokenizer, window: int, *, rows: int) -> dict[str, float]:
    """Measure, on questions kept for the test, the share of right tokens and of episodes right to the last token.

    Each token is predicted with the right ones before it; real runs with real tools are measured by `evaluate.py`.
    """
    measured = {}
    for split in (Split.VALUES, Split.PHRASINGS):
        source = packed_rows(documents(random.Random(f"evaluation {split}"), split, tokenizer))
        drawn = [next(source) for _ in range(rows)]
        outcomes = [outcome for part in _parts(drawn, 24) for outcome in _right_tokens(forward, part, window)]
        measured[f"{split}_tokens"] = sum(map(sum, outcomes)) / sum(map(len, outcomes))
        measured[f"{split}_episodes"] = sum(map(all, outcomes)) / len(outcomes)
    return measured


def _parts(rows: list[list[Document]], size: int) -> Iterator[list[list[Document]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


@torch.no_grad()
def _right_tokens(forward: Callable[[Batch], Tensor], rows: list[list[Document]], window: int) -> list[list[bool]]:
    """Return, for each document, whether each token to predict was predicted right."""
    batch = make_batch(rows, window)
    right = (forward(batch)[:, :-1].argmax(dim=-1) == batch.ids[:, 1:]).tolist()
    outcomes = []
    for hits, row in zip(right, rows, strict=True):
        start = 0
        for document in row:
            places = [index for index, is_learnt in enumerate(document.mask) if is_learnt]
            outcomes.append([hits[start + place - 1] for place in places])
            start += len(document.ids)
    return outcomes


def _average_gradients(weights: Weights, processes: int) -> None:
    if processes == 1:
        return
    gradients = [weight.grad for weight in weights.values() if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= processes
    for gradient, averaged in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(averaged.view_as(gradient))


def _move(optimisers: tuple[torch.optim.Optimizer, ...], rates: tuple[float, ...]) -> None:
    for optimiser, rate in zip(optimisers, rates, strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        optimiser.zero_grad()


def _save(plan: Plan, weights: Weights, optimisers: tuple[torch.optim.Optimizer, ...], step: int, seen: int) -> None:
    state = {
        "step": step,
        "tokens": seen,
        "weights": {name: weight.detach() for name, weight in weights.items()},
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
    }
    partial = plan.out / "checkpoint.partial"
    torch.save(state, partial)
    partial.replace(plan.out / "checkpoint.pt")


def _resume(plan: Plan, weights: Weights, optimisers: tuple[torch.optim.Optimizer, ...]) -> tuple[int, int]:
    path = plan.out / "checkpoint.pt"
    if not path.exists():
        return 0, 0
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(state["weights"][name])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return state["step"], state["tokens"]


def _log(plan: Plan, line: dict[str, float]) -> None:
    line = {key: round(value, 5) if isinstance(value, float) else value for key, value in line.items()}
    left = (plan.tokens - line["tokens"]) / max(line["tokens_per_second"], 1) / 60
    with (plan.out / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    print(json.dumps(line), f"{left:.0f} minutes left", flush=True)  # noqa: T201  (progress of a script)


def _read_arguments() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m ostinato.training.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; an unfinished run there goes on")
    parser.add_argument("--tokens", type=int, default=60_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rows", type=int, default=24, help="rows of 256 tokens, per process and step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--adam-lr", type=float, default=3e-3)
    parser.add_argument("--muon-lr", type=float, default=0.01)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--evaluation-rows", type=int, default=72, help="rows of each test split, every 400 steps")
    parser.add_argument("--no-compile", dest="is_compiled", action="store_false")
    return Plan(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
