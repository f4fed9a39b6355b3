"""Measure what each turn of an agent with a long history computes: the tokens, and the seconds.

    python benchmarks/agent_turns.py [CHECKPOINT] [--history 30000] [--runs 3] [--calls 6] [--torch] [--threads 1]

The agent, its grammar, tools, renderer and engine are the real ones, and the model computes in full; what it says is
dictated: reasoning and a call of a tool in each turn, the answer in a run's last. Without a checkpoint the model is a
small random one with gpt-oss's vocabulary and context. `best` is the longest beginning of a prompt that any earlier
sequence has seen, to the token; `cached` is what the engine took from its cache. In the end the last sequence is saved
to a file and loaded.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from random_checkpoint import GPT_OSS_20B, replace, write

from ostinato.agent.agent import Agent
from ostinato.agent.scripted import harmony_ids
from ostinato.engine.batch import Work
from ostinato.engine.config import alternating
from ostinato.engine.interface import Constraint, Sampling, TokenStream
from ostinato.engine.torch_engine import TorchEngine
from ostinato.tools import tool

SMALL = replace(
    GPT_OSS_20B,
    hidden_size=64,
    intermediate_size=64,
    num_query_heads=4,
    num_kv_heads=2,
    head_dim=32,
    num_experts=4,
    experts_per_token=2,
    layer_types=alternating(4),
)
WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa "
THOUGHT, RESULT = 15, 20  # tens of words of a turn's reasoning, and of a tool's result


@tool
def search(query: str) -> str:
    """Search the notes."""
    return f"{query}: {WORDS * RESULT}"


@tool
def measure(name: str, times: int) -> str:
    """Measure something."""
    return f"{name}, {times} times: " + "0.125 " * RESULT


class Dictated:
    """A model that computes what it is given, counts it, and then says what it is told."""

    most_guesses = 0  # what is guessed wrongly would count as computed

    def __init__(self, model: Any) -> None:
        self._model = model
        self.num_computed = 0
        self._begin, self._told = 0, [0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def tell(self, begin: int, ids: list[int]) -> None:
        """Let the sequence go on from `begin` with these ids."""
        self._begin, self._told = begin, ids

    def step(self, works: Sequence[Work[Any]]) -> list[torch.Tensor | None]:
        """Step, and return logits for what was told."""
        found = self._model.step(works)
        self.num_computed += sum(len(work.ids) for work in works)
        return [None if logits is None else self._said(work, logits) for work, logits in zip(works, found, strict=True)]

    def _said(self, work: Work[Any], logits: torch.Tensor) -> torch.Tensor:
        told = self._told[work.cache.length - self._begin]
        said = torch.zeros_like(logits)
        said[told if work.rows is None else list(work.rows).index(told)] = 1
        return said


class Recorder:
    """The engine, which prints a row for each generation."""

    def __init__(self, engine: TorchEngine, model: Dictated, turns: Iterator[list[int]]) -> None:
        self.name, self.vocab_size, self.context_length = engine.name, engine.vocab_size, engine.context_length
        self.engine, self.model, self.turns = engine, model, turns
        self.sequences: list[list[int]] = []
        self.new_at_best = self.computed = 0

    def stream(
        self, ids: Sequence[int], *, sampling: Sampling, stop_ids: Collection[int], constraint: Constraint | None = None
    ) -> TokenStream:
        """Continue with the next turn."""
        turn = next(self.turns)
        self.model.tell(len(ids), turn)
        stream = self.engine.stream(ids, sampling=sampling, stop_ids=stop_ids, constraint=constraint)
        best = max((shared(seen, ids[:-1]) for seen in self.sequences), default=0)
        self.sequences.append([*ids, *turn[:-1]])
        return Timed(stream, self, best)

    async def aclose(self) -> None:
        """Close the engine."""
        await self.engine.aclose()


class Timed:
    """A generation that is timed."""

    def __init__(self, stream: TokenStream, recorder: Recorder, best: int) -> None:
        self.usage, self._stream, self._recorder, self._best = stream.usage, stream, recorder, best
        self._begun, self._computed = time.perf_counter(), recorder.model.num_computed

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        return await anext(self._stream)

    async def aclose(self) -> None:
        """Close, and print the row."""
        await self._stream.aclose()
        usage, best, recorder = self.usage, self._best, self._recorder
        seconds, computed = time.perf_counter() - self._begun, recorder.model.num_computed - self._computed
        at_best = usage.prompt - best + usage.sampled - 1
        row = usage.prompt, best, usage.cached, usage.sampled, at_best, computed
        print("| " + " | ".join(f"{number:6}" for number in row) + f" | {seconds:7.2f} |", flush=True)
        recorder.new_at_best += at_best
        recorder.computed += computed


def shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the ids that two sequences begin with alike."""
    return next(
        (i for i, (one, two) in enumerate(zip(first, second, strict=False)) if one != two), min(len(first), len(second))
    )


def turns_of(runs: int, calls: int) -> Iterator[list[int]]:
    """Say what the model does."""
    thought = f"<|channel|>analysis<|message|>{WORDS * THOUGHT}<|end|><|start|>assistant"
    call = "<|channel|>commentary to=functions.{} <|constrain|>json<|message|>{}<|call|>"
    for run in range(runs):
        for number in range(calls):
            arguments = {"query": f"{run} {number}"} if number % 2 else {"name": "length", "times": number}
            name = "search" if number % 2 else "measure"
            yield harmony_ids(thought + call.format(name, json.dumps(arguments)))
        yield harmony_ids(thought + f"<|channel|>final<|message|>Done, {run}.<|return|>")


async def run(options: argparse.Namespace, folder: Path) -> None:
    """Run the agent, and print a row for each turn."""
    engine = TorchEngine.open(folder, threads=options.threads, uses_kernels=not options.torch)
    worker = engine._worker  # the model is dictated to where it computes
    model = worker._model = worker._scheduler._model = Dictated(worker._model)
    recorder = Recorder(engine, model, turns_of(options.runs, options.calls))
    agent = Agent(recorder, tools=[search, measure], sampling=Sampling(temperature=0.0))
    print(f"{engine.backend}, {options.threads} threads\n")
    print("| prompt | best | cached | sampled | at best | computed | seconds |\n" + "|---" * 7 + "|")
    text = "What does this say? " + WORDS * (options.history // 10)
    for _ in range(options.runs):
        await agent.run(text)
        text = "And now? " + WORDS * 5
    print(f"\ncomputed {recorder.computed} tokens; {recorder.new_at_best} are new at best")
    await agent.close()
    await measure_file(engine, recorder.sequences[-1])
    await recorder.aclose()


async def measure_file(engine: TorchEngine, ids: Sequence[int]) -> None:
    """Save the last sequence, and load it beside itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cache"
        begin = time.perf_counter()
        length = await engine.save_cache(ids, path)
        saved = time.perf_counter()
        await engine.load_cache(path)
        seconds = saved - begin, time.perf_counter() - saved
        megabytes = (await asyncio.to_thread(path.stat)).st_size / 1e6
    print(f"saved {length} tokens, {megabytes:.0f} MB, in {seconds[0]:.2f} s; loaded in {seconds[1]:.2f} s")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("--history", type=int, default=30_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--calls", type=int, default=6)
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.checkpoint is None:
            write(Path(folder), SMALL, seed=0)
        asyncio.run(run(options, options.checkpoint or Path(folder)))


if __name__ == "__main__":
    main()
