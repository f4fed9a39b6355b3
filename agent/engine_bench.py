"""`ostinato engine bench`: how fast a model runs on this machine."""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ostinato.agent.engine_view import Row, folder_of, print_table
from ostinato.agent.exit_codes import ExitCode
from ostinato.agent.models import fitting_threads
from ostinato.agent.settings import Settings
from ostinato.agent.sizes import readable_size
from ostinato.engine.bandwidth import read_bandwidth
from ostinato.engine.bench import Speeds, check_room, measure
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.library import libraries
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.survey import survey_model
from ostinato.engine.torch_engine import TorchEngine

_CACHED = 2**27  # bytes a token up to which a processor's caches, and not the memory, may set the pace


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What to measure: ids decoded, of a prompt, and sequences at the same time. `threads` None is one a core."""

    model: str
    threads: int | None
    tokens: int
    prompt: int
    sequences: int
    is_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    backend: str
    load_seconds: float
    memory: int
    bandwidth: float
    read_per_token: int | None
    speeds: Speeds

    @property
    def share(self) -> float | None:
        """The part of the memory's speed that decoding reaches; None where that is not the limit, or not known."""
        if self.read_per_token is None or self.read_per_token < _CACHED:
            return None
        return self.speeds.decode * self.read_per_token / self.bandwidth


def bench(options: BenchOptions, settings: Settings) -> int:
    """Measure, print what came of it, and return the exit code.

    Raises:
        CommandError, EngineError: if there is no such model, or it cannot be run.
    """
    outcome = asyncio.run(_measured(options, folder_of(options.model)))
    if options.is_json:
        sys.stdout.write(json.dumps(_fields(options, outcome), indent=2) + "\n")
    else:
        print_table(f"{options.model} on {outcome.backend}", _rows(options, outcome), settings)
    return ExitCode.ANSWERED


async def _measured(options: BenchOptions, folder: Path) -> _Outcome:
    config = ModelConfig.read(folder / "config.json")
    check_room(config.context_length, tokens=options.tokens, prompt=options.prompt)
    threads = options.threads or fitting_threads(options.model)
    bandwidth = read_bandwidth(threads)
    begin = time.perf_counter()
    engine = TorchEngine.open(folder, threads=threads)
    loaded = time.perf_counter()
    try:
        speeds = await measure(engine, tokens=options.tokens, prompt=options.prompt, sequences=options.sequences)
        return _Outcome(
            backend=engine.backend,
            load_seconds=loaded - begin,
            memory=_memory(),
            bandwidth=bandwidth,
            read_per_token=_read_per_token(folder, engine.backend),
            speeds=speeds,
        )
    finally:
        await engine.aclose()


def _read_per_token(folder: Path, backend: str) -> int | None:
    library = libraries().get(backend)
    return survey_model(Checkpoint.open(folder), library, available_bytes()).read_per_token if library else None


def _memory() -> int:
    """Return the memory that this process has, in bytes; where the system does not tell, the most that it had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes, where there is no /proc


def _rows(options: BenchOptions, outcome: _Outcome) -> Iterator[Row]:
    speeds = outcome.speeds
    yield "decode", f"{speeds.decode:,.1f} tokens/s"
    yield f"decode, {speeds.sequences} sequences", f"{speeds.decode_together:,.1f} tokens/s together"
    yield f"prefill of {options.prompt:,}", f"{speeds.prefill:,.1f} tokens/s"
    yield "to the first token", f"{speeds.first_id:.3f} s after a prompt of {options.prompt:,}"
    yield "memory", f"{readable_size(outcome.memory)}, of the whole process"
    yield "loading", f"{outcome.load_seconds:.1f} s"
    yield "reading", f"{outcome.bandwidth / 1e9:.1f} GB/s, measured before"
    if outcome.share is not None and outcome.read_per_token is not None:
        yield "share of it", f"{outcome.share:.0%}: decoding reads {readable_size(outcome.read_per_token)} a token"
    elif outcome.read_per_token is not None:
        yield "share of it", f"caches set the pace: {readable_size(outcome.read_per_token)} a token"


def _fields(options: BenchOptions, outcome: _Outcome) -> dict[str, object]:
    return {
        "model": options.model,
        "backend": outcome.backend,
        "threads": options.threads,
        "decoded_tokens": options.tokens,
        "prompt_tokens": options.prompt,
        "sequences": options.sequences,
        "decode_tokens_per_second": round(outcome.speeds.decode, 3),
        "decode_together_tokens_per_second": round(outcome.speeds.decode_together, 3),
        "prefill_tokens_per_second": round(outcome.speeds.prefill, 3),
        "first_token_seconds": round(outcome.speeds.first_id, 4),
        "load_seconds": round(outcome.load_seconds, 3),
        "memory_bytes": outcome.memory,
        "read_bytes_per_second": round(outcome.bandwidth),
        "read_bytes_per_token": outcome.read_per_token,
        "share_of_read_speed": None if outcome.share is None else round(outcome.share, 3),
    }
