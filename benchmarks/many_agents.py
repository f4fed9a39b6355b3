"""Measure many streams on one model: throughput, the time between ids, and what a long prompt does to it.

    python benchmarks/many_agents.py [CHECKPOINT] [--counts 1 8 32 64] [--prompt 256] [--long 16384] [--threads 2]

Without a checkpoint it is the embedded model. Ids are random, and every stream has a prompt of its own. The last table
is the time that it takes to find what a prompt of 30,000 tokens shares with as many sequences, without a model.
"""

import argparse
import asyncio
import random
import statistics
import time
from itertools import pairwise
from pathlib import Path

from ostinato.engine.interface import Sampling
from ostinato.engine.nano import folder as nano_folder
from ostinato.engine.pages import PAGE, PagedCache, PagePool
from ostinato.engine.prefix_cache import PrefixCache, Seen
from ostinato.engine.torch_engine import TorchEngine

HISTORY = 30_000


def ids(engine: TorchEngine, count: int) -> list[int]:
    """Draw ids."""
    return [random.randrange(min(engine.vocab_size, 200_000)) for _ in range(count)]


async def seconds_to_read(engine: TorchEngine, prompt: list[int]) -> float:
    """Return how long it takes to the first id."""
    begin = time.perf_counter()
    stream = Decoding(engine, prompt)
    await stream.start()
    await stream.stop()
    return stream.times[0] - begin


def gaps(streams: "list[Decoding]", begin: float, end: float) -> str:
    """Return the median and the 99th percentile of the milliseconds between ids that came from `begin` to `end`."""
    pairs = [pair for stream in streams for pair in pairwise(stream.times) if begin <= pair[1] <= end]
    values = sorted(1000 * (second - first) for first, second in pairs)
    return f"{statistics.median(values):.1f} | {values[len(values) * 99 // 100]:.1f}" if values else "- | -"


async def settle(streams: "list[Decoding]", decoded: int) -> tuple[float, float]:
    """Wait until each stream has said so many ids more; return from when to when."""
    begin = time.perf_counter()
    for stream in streams:
        await stream.until(len(stream.times) + decoded)
    return begin, time.perf_counter()


async def measure_counts(engine: TorchEngine, counts: list[int], prompt: int, decoded: int) -> None:
    """Let more and more streams decode together."""
    print("\n| streams | ids/s together | ms between ids, p50 | p99 | s to the first id, mean | last |")
    print("|---|---|---|---|---|---|")
    for count in counts:
        begin = time.perf_counter()
        streams = [Decoding(engine, ids(engine, prompt)) for _ in range(count)]
        await asyncio.gather(*(stream.start() for stream in streams))
        first = [stream.times[0] - begin for stream in streams]
        come, gone = await settle(streams, decoded)
        together = sum(come < moment <= gone for stream in streams for moment in stream.times) / (gone - come)
        told = f"{gaps(streams, come, gone)} | {statistics.mean(first):.2f} | {max(first):.2f}"
        print(f"| {count} | {together:.1f} | {told} |", flush=True)
        for stream in streams:
            await stream.stop()


async def measure_stall(engine: TorchEngine, counts: list[int], long: int, decoded: int) -> None:
    """Let a long prompt come while others decode."""
    print("\n| decoding | ms between ids alone, p50 | p99 | beside a long prompt, p50 | p99 | its ids/s | alone |")
    print("|---|---|---|---|---|---|---|")
    alone = long / await seconds_to_read(engine, ids(engine, long))
    for count in counts:
        streams = [Decoding(engine, ids(engine, 64)) for _ in range(count)]
        await asyncio.gather(*(stream.start() for stream in streams))
        begin, came = await settle(streams, decoded)
        seconds = await seconds_to_read(engine, ids(engine, long))
        before, beside = gaps(streams, begin, came), gaps(streams, came, came + seconds)
        print(f"| {count} | {before} | {beside} | {long / seconds:.0f} | {alone:.0f} |", flush=True)
        for stream in streams:
            await stream.stop()


class Decoding:
    """A stream that decodes until it is stopped; `times` are when its ids came."""

    def __init__(self, engine: TorchEngine, prompt: list[int]) -> None:
        self.times: list[float] = []
        self._awaited, self._arrived = 0, asyncio.Event()
        self._stream = engine.stream(prompt, sampling=Sampling(temperature=0.0), stop_ids=())

    async def start(self) -> None:
        """Begin, and wait for the first id."""
        self._task = asyncio.create_task(self._run())
        await self.until(1)

    async def until(self, count: int) -> None:
        """Wait until so many ids came."""
        self._awaited = count
        while len(self.times) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        async for _ in self._stream:
            self.times.append(time.perf_counter())
            if len(self.times) >= self._awaited:
                self._arrived.set()


async def measure_sharing(engine: TorchEngine, long: int) -> None:
    """Let long prompts and a short one come together."""
    sizes = [long, long, long // 2, 200]
    every = await asyncio.gather(*(seconds_to_read(engine, ids(engine, size)) for size in sizes))
    print("\n| prompt | s to the first id, all together |\n|---|---|")
    for size, seconds in zip(sizes, every, strict=True):
        print(f"| {size} | {seconds:.2f} |", flush=True)


def measure_lookup(counts: list[int]) -> None:
    """Find what a long prompt shares with as many kept sequences."""
    print(
        f"\n| sequences of {HISTORY:,} ids | ms to find a prompt's own | ms to find a new one's share |\n|---|---|---|"
    )
    for count in counts:
        pools = PagePool(64, limit=10**7), PagePool(64, limit=10**7)
        prefixes = PrefixCache[PagedCache]()
        preamble = list(range(4096))
        own = [[*preamble, *random.choices(range(200_000), k=HISTORY - 4096)] for _ in range(count)]
        for sequence in own:
            cache = PagedCache(*pools, window=128)
            for place in range(0, HISTORY, 16 * PAGE):
                cache.reach(min(place + 16 * PAGE, HISTORY))
                cache.advance(min(16 * PAGE, HISTORY - place))
            prefixes.keep(Seen(sequence, cache))
        found = []
        for prompt in ([*own[0], 1, 2, 3], [*preamble, *range(HISTORY - 4096)]):
            wanted = Seen(prompt)
            begin = time.perf_counter()
            for _ in range(20):
                prefixes.find(wanted, [])
            found.append((time.perf_counter() - begin) * 50)
        print(f"| {count} | {found[0]:.2f} | {found[1]:.2f} |", flush=True)


async def run(options: argparse.Namespace) -> None:
    """Measure all."""
    engine = TorchEngine.open(options.checkpoint, threads=options.threads)
    print(f"{engine.name}, {engine.backend}, {options.threads} threads")
    long = min(options.long, engine.context_length - 100)
    await measure_counts(engine, options.counts, min(options.prompt, long), options.decoded)
    await measure_stall(engine, [count for count in options.counts if count <= 8], long, options.decoded)
    await measure_sharing(engine, long // 2)
    await engine.aclose()
    measure_lookup([1, 64, 256])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=nano_folder())
    parser.add_argument("--counts", type=int, nargs="*", default=[1, 8, 32, 64])
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--decoded", type=int, default=32)
    parser.add_argument("--long", type=int, default=16_384)
    parser.add_argument("--threads", type=int, default=2)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
