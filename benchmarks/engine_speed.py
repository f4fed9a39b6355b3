"""Compare the engine with llama.cpp on the same shape and threads, in turn, in one run.

    python benchmarks/random_checkpoint.py CHECKPOINT --layers 24
    python benchmarks/random_gguf.py MODEL.gguf --layers 24
    python benchmarks/engine_speed.py CHECKPOINT MODEL.gguf [--peer-python PYTHON] [--threads 2] [--rounds 5] [--apart]

`--peer-python` is the interpreter that has llama-cpp-python, if it is not this one. Each engine is a process of its own
that keeps its weights; the rounds alternate between them, and a ratio is the median of the rounds' ratios. `--apart` is
for models of which memory holds but one: a round then loads one engine, measures every task, and ends it before the
other begins.

The ceiling is how fast the same threads read weights and do nothing else, measured around each of our decodings; of it
the share is told that the bytes of a decoded token make up.
"""

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

DECODED = 16  # ids of a measurement of decoding
VOCABULARY = 200_000
TASKS = {
    "decode": {"prompt": 16, "sequences": 1},
    "decode, 8 sequences": {"prompt": 16, "sequences": 8},
    "prefill 512": {"prompt": 512, "sequences": 0},
    "prefill 4096": {"prompt": 4096, "sequences": 0},
    "decode at 16k": {"prompt": 16_384, "sequences": 1},
}

Measure = Callable[[int, int], float]
CEILING = {"prompt": 0, "sequences": 0}  # tokens a second that reading the weights alone would allow


def tokens(count: int) -> list[int]:
    """Draw ids."""
    return [random.randrange(VOCABULARY) for _ in range(count)]


def ours(path: str, threads: int) -> Measure:
    """Load our engine's model; return what measures ids a second."""
    from ostinato.engine.batch import Work
    from ostinato.engine.checkpoint import Checkpoint
    from ostinato.engine.kernels.footprint import footprint
    from ostinato.engine.kernels.library import Form, best_library
    from ostinato.engine.kernels.model import KernelModel

    checkpoint, library = Checkpoint.open(path), best_library()
    assert library is not None, "the compiled kernels were not built"
    model = KernelModel(checkpoint.config, checkpoint, library=library, form=Form.INT8, threads=threads)
    config = checkpoint.config
    counted = footprint(config, library, Form.INT8)
    token_bytes = counted.panels + config.num_layers * config.experts_per_token * counted.expert

    def measure(prompt: int, sequences: int) -> float:
        if not prompt:
            return model.read_speed() / token_bytes
        caches = [model.new_cache() for _ in range(max(1, sequences))]
        begin = time.perf_counter()
        for cache in caches:
            for first in range(0, prompt, model.most_ids):
                count = min(model.most_ids, prompt - first)
                is_last = first + count == prompt
                model.step([Work(cache=cache, ids=tokens(count), wants_logits=is_last, is_exact=False)])
        read = time.perf_counter()
        for _ in range(DECODED if sequences else 0):
            model.step([Work(cache=cache, ids=tokens(1), wants_logits=True) for cache in caches])
        decoded = time.perf_counter()
        for cache in caches:
            cache.free()
        return sequences * DECODED / (decoded - read) if sequences else prompt / (read - begin)

    return measure


def llama(path: str, threads: int) -> Measure:
    """Load llama.cpp; return what measures ids a second."""
    import llama_cpp as api

    settings = api.llama_model_default_params()
    settings.n_gpu_layers, settings.load_mode = 0, api.LLAMA_LOAD_MODE_NONE  # no mmap: its weights are repacked
    model = api.llama_model_load_from_file(path.encode(), settings)
    options = api.llama_context_default_params()
    options.n_ctx, options.n_batch, options.n_ubatch, options.n_seq_max = 18_432, 2048, 512, 8
    options.n_threads = options.n_threads_batch = threads
    options.kv_unified = True
    context = api.llama_init_from_model(model, options)

    def step(rows: list[tuple[int, int, int, bool]]) -> None:
        batch = api.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for index, (token, position, sequence, wants_logits) in enumerate(rows):
            batch.token[index], batch.pos[index], batch.logits[index] = token, position, wants_logits
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, sequence
        failed = api.llama_decode(context, batch)
        api.llama_batch_free(batch)
        assert not failed, f"llama_decode returned {failed}"

    def measure(prompt: int, sequences: int) -> float:
        api.llama_memory_clear(api.llama_get_memory(context), True)
        begin = time.perf_counter()
        for sequence in range(max(1, sequences)):
            for first in range(0, prompt, 2048):
                ids = tokens(min(2048, prompt - first))
                step([(token, first + i, sequence, first + i == prompt - 1) for i, token in enumerate(ids)])
        read = time.perf_counter()
        for index in range(DECODED if sequences else 0):
            step([(tokens(1)[0], prompt + index, sequence, True) for sequence in range(sequences)])
        decoded = time.perf_counter()
        return sequences * DECODED / (decoded - read) if sequences else prompt / (read - begin)

    return measure


class Engine:
    """One engine in a process of its own."""

    def __init__(self, python: str, name: str, path: str, threads: int) -> None:
        command = [python, __file__, "--serve", name, path, str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def measure(self, task: dict[str, int]) -> float:
        """Return ids a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> float:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("figure "):
                return float(line.removeprefix("figure "))
        raise SystemExit("the engine ended; its errors are above")


Rounds = dict[str, list[tuple[float, ...]]]


def compare(openers: Sequence[Callable[[], Engine]], names: Sequence[str], rounds: int, *, is_apart: bool) -> Rounds:
    """Measure each task in each round with each engine."""
    kept = [] if is_apart else [opener() for opener in openers]
    found: Rounds = {name: [] for name in names}
    for number in range(rounds):
        columns = []
        for index, opener in enumerate(openers):
            engine = opener() if is_apart else kept[index]
            columns.append([measured(engine, name, is_own=index == 0) for name in names])
            if is_apart:
                engine.close()
        for name, *row in zip(names, *columns, strict=True):
            found[name].append(tuple(number for column in row for number in column))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return found


def measured(engine: Engine, name: str, *, is_own: bool) -> list[float]:
    """Return ids a second, and of our own engine, for a sequence alone, the share of what reading would allow."""
    task = TASKS[name]
    if not is_own:
        return [engine.measure(task)]
    before = engine.measure(CEILING)
    figure = engine.measure(task)
    ceiling = (before + engine.measure(CEILING)) / 2
    return [figure, figure / ceiling if task["sequences"] == 1 else math.nan]


def serve(name: str, path: str, threads: int) -> None:
    """Measure what standard input asks for."""
    measure = {"ours": ours, "llama": llama}[name](path, threads)
    print("figure 0", flush=True)
    for line in sys.stdin:
        print(f"figure {measure(**json.loads(line))}", flush=True)


def main() -> None:
    """Compare."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("gguf")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--apart", action="store_true", help="load one engine at a time")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    options = parser.parse_args()
    openers = (
        lambda: Engine(sys.executable, "ours", options.checkpoint, options.threads),
        lambda: Engine(options.peer_python, "llama", options.gguf, options.threads),
    )
    found = compare(openers, options.tasks, options.rounds, is_apart=options.apart)
    print("| task | ours, tokens/s | llama.cpp, tokens/s | ratio | ours, of the read ceiling |\n|---|---|---|---|---|")
    for name, rounds in found.items():
        own, share, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = sorted(ours / theirs for ours, _, theirs in rounds)
        of_ceiling = "" if math.isnan(share) else f"{share:.0%}"
        spread = f"{statistics.median(ratios):.2f}x ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        print(f"| {name} | {own:.2f} | {peer:.2f} | {spread} | {of_ceiling} |", flush=True)


if __name__ == "__main__":
    main()
