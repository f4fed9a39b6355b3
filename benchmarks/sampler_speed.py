"""Measure what choosing an id costs at the 201,088 ids of gpt-oss, beside the usual way in torch, on one thread.

The usual way is that of transformers and of most samplers: softmax, `torch.topk` or a sort for the filters, and
`torch.multinomial`. The logits are as uneven as a model's: the likeliest id has about half of the probability.

    python benchmarks/sampler_speed.py
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ostinato.engine.interface import Sampling
from ostinato.engine.sampler import Sampler

IDS = 201_088
ROUNDS = 60
CASES = [
    Sampling(seed=1, temperature=0),
    Sampling(seed=1),
    Sampling(seed=1, temperature=0.7),
    Sampling(seed=1, top_k=50),
    Sampling(seed=1, top_p=0.95),
    Sampling(seed=1, min_p=0.05),
    Sampling(seed=1, logprobs=5),
    Sampling(seed=1, repetition_penalty=1.1),
    Sampling(seed=1, logit_bias={5: -100, 6: 1}),
]


def main() -> None:
    """Print a line for each way to sample."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    print(f"{platform.platform()}, numpy {np.__version__}, torch {torch.__version__}, one thread; medians of {ROUNDS}")
    logits = model_like()
    for sampling in CASES:
        ours, usual = in_turn(chooser(sampling, logits), usual_way(sampling, logits))
        print(f"{name(sampling):32}{ours:8.0f} µs   usual way {usual:8.0f} µs   {usual / ours:5.1f}x")


def model_like() -> Tensor:
    """Make logits of which a few stand out."""
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(IDS, generator=generator)
    logits[torch.randint(0, IDS, (40,), generator=generator)] += torch.linspace(8, 19, 40)
    return logits


def chooser(sampling: Sampling, logits: Tensor) -> Callable[[], object]:
    """Choose in a generation of 1,000 ids."""
    sampler = Sampler(sampling, vocab_size=IDS)
    for number in range(1000):
        sampler.take(200 * number)
    own, scratch = logits.numpy(), np.empty(IDS, dtype=np.float32)

    def choose() -> None:
        np.copyto(scratch, own)  # a choice uses them up
        sampler.choose(scratch)

    return choose


def usual_way(sampling: Sampling, logits: Tensor) -> Callable[[], object]:
    """Choose as most samplers do; logprobs, penalties and bias are left out."""

    def choose() -> int:
        if sampling.temperature == 0:
            return int(logits.argmax())
        scaled = logits / sampling.temperature
        if sampling.top_k:
            scaled = scaled.masked_fill(scaled < scaled.topk(sampling.top_k).values[-1], -torch.inf)
        if sampling.top_p < 1:
            rising, ids = scaled.sort()
            is_out = rising.softmax(dim=-1).cumsum(dim=-1) <= 1 - sampling.top_p
            scaled = scaled.masked_fill(torch.zeros_like(is_out).scatter_(0, ids, is_out), -torch.inf)
        probabilities = scaled.softmax(dim=-1)
        if sampling.min_p:
            probabilities = probabilities.masked_fill(probabilities < sampling.min_p * probabilities.max(), 0)
        return int(torch.multinomial(probabilities, 1))

    return choose


def in_turn(*ways: Callable[[], object]) -> list[float]:
    """Return the median of each way, in microseconds."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for way, seconds in zip(ways, times, strict=True):
            begin = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - begin)
    return [1e6 * statistics.median(seconds) for seconds in times]


def name(sampling: Sampling) -> str:
    """Say what is special about a sampling."""
    usual = Sampling(seed=1)
    changed = {each: getattr(sampling, each) for each in sampling.__slots__}
    special = [f"{each}={value}" for each, value in changed.items() if value != getattr(usual, each)]
    return ", ".join(special) or "temperature=1"


if __name__ == "__main__":
    main()
