"""Bench: how fast an engine answers, as its user meets it: ids through `stream`, sampled as gpt-oss is."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ostinato.engine.interface import Engine, EngineError, Sampling

_SHORT = 16  # ids of a prompt whose reading is not what is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Ids a second: decoded by one sequence, by `sequences` together, and read of a prompt; seconds to its first id."""

    decode: float
    decode_together: float
    prefill: float
    first_id: float
    sequences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """When a stream began, and when each of its ids came."""

    begin: float
    arrivals: Sequence[float]


def check_room(context_length: int, *, tokens: int, prompt: int) -> None:
    """Refuse to measure what does not fit a model.

    Raises:
        EngineError: if the context holds fewer tokens.
    """
    needed = max(prompt + 1, _SHORT + tokens)
    if needed > context_length:
        raise EngineError(f"the context holds {context_length} tokens, and {needed} are asked for; ask for fewer")


async def measure(engine: Engine, *, tokens: int, prompt: int, sequences: int) -> Speeds:
    """Measure an engine: `tokens` ids decoded, alone and in each of the sequences, and a prompt of `prompt` ids read.

    Raises:
        EngineError: if the context holds neither.
    """
    check_room(engine.context_length, tokens=tokens, prompt=prompt)
    draw = random.Random(0)
    await _stream(engine, draw, prompt=_SHORT, tokens=4)  # the first steps touch memory for the first time
    alone = await _stream(engine, draw, prompt=_SHORT, tokens=tokens)
    reading = await _stream(engine, draw, prompt=prompt, tokens=1)
    together = await asyncio.gather(*(_stream(engine, draw, prompt=_SHORT, tokens=tokens) for _ in range(sequences)))
    first_id = reading.arrivals[0] - reading.begin
    return Speeds(
        decode=_rate([alone]),
        decode_together=_rate(together),
        prefill=prompt / first_id,
        first_id=first_id,
        sequences=sequences,
    )


async def _stream(engine: Engine, draw: random.Random, *, prompt: int, tokens: int) -> _Times:
    ids = [draw.randrange(engine.vocab_size) for _ in range(prompt)]  # no prompt begins like another
    sampling = Sampling(max_tokens=tokens, seed=0)
    begin = time.perf_counter()
    stream = engine.stream(ids, sampling=sampling, stop_ids=())
    arrivals = [time.perf_counter() async for _ in stream]
    return _Times(begin=begin, arrivals=arrivals)


def _rate(streams: Sequence[_Times]) -> float:
    """Return the ids a second of all streams, from when each had its first id until the first ended."""
    begin = max(times.arrivals[0] for times in streams)
    end = min(times.arrivals[-1] for times in streams)
    count = sum(sum(begin < arrival <= end for arrival in times.arrivals) for times in streams)
    return count / (end - begin) if end > begin else 0.0
