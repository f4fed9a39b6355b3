"""The scheduler alone, step by step: arrivals, cancellations, late readers and too little memory, at random."""

from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Any

import pytest
from torch import Tensor

from ostinato.engine.batch import Work
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.generation import Generation
from ostinato.engine.interface import Sampling
from ostinato.engine.kernels.library import Form, best_library
from ostinato.engine.kernels.model import KernelModel
from ostinato.engine.model import Transformer
from ostinato.engine.nano import folder
from ostinato.engine.scheduler import Scheduler

needs_kernels = pytest.mark.skipif(best_library() is None, reason="no kernels were built: there was no C++ compiler")
BEGINNINGS = [[(5 * index + seed) % 1900 for index in range(400)] for seed in range(3)]
ROOM = 1200


@pytest.fixture(scope="module", params=[pytest.param(True, marks=needs_kernels), False], ids=["kernels", "torch"])
def model(request: pytest.FixtureRequest) -> Any:
    return opened(cache_tokens=ROOM, uses_kernels=request.param)


@pytest.fixture(scope="module")
def wide(model: Any) -> Scheduler[Any]:
    """A scheduler of the same model with room for all, where each generation is alone."""
    return Scheduler(opened(cache_tokens=100_000, uses_kernels=model.backend != "torch"))


@pytest.mark.parametrize("seed", range(6))
def test_whoever_comes_goes_or_waits_each_gets_what_it_would_get_alone(
    seed: int, model: Any, wide: Scheduler[Any]
) -> None:
    source = Random(seed)
    scheduler: Scheduler[Any] = Scheduler(model, clock=count(step=0.1).__next__)
    arriving = [
        [
            *source.choice(BEGINNINGS)[: source.randrange(1, 400)],
            *source.choices(range(1900), k=source.randrange(1, 40)),
        ]
        for _ in range(40)
    ]
    live: list[tuple[Generation[Any], list[int]]] = []
    done: list[tuple[Generation[Any], list[int]]] = []
    waited = cancelled = 0
    while arriving or live:
        if arriving and source.random() < 0.3:
            prompt = arriving.pop()
            generation = greedy(model, prompt)
            scheduler.add(generation)
            live.append((generation, prompt))
        if live and source.random() < 0.02:
            scheduler.remove(live.pop(source.randrange(len(live)))[0])
            cancelled += 1
        wanted = [each for each, _ in live if source.random() < 0.8 and each not in scheduler.waiting]
        if wanted:
            scheduler.step(wanted)
        waited += len(scheduler.waiting)
        assert not scheduler.failures
        done += [(each, prompt) for each, prompt in live if each.is_finished]
        live = [(each, prompt) for each, prompt in live if not each.is_finished]

    assert waited
    assert cancelled
    assert len(done) + cancelled == 40
    for generation, prompt in done:
        alone = greedy(model, prompt)
        wide.add(alone)
        while not alone.is_finished:
            wide.step([alone])
        wide.clear()
        assert generation.new_ids == alone.new_ids
    scheduler.clear()
    assert held(model) == 0


def test_the_first_to_come_goes_on_whoever_comes_later(model: Any) -> None:
    scheduler: Scheduler[Any] = Scheduler(model, clock=count(step=0.1).__next__)
    first = greedy(model, BEGINNINGS[0])
    scheduler.add(first)
    others: list[Generation[Any]] = []
    steps = 0
    while not first.is_finished:
        others.append(greedy(model, [steps % 1900, *BEGINNINGS[1]]))
        scheduler.add(others[-1])
        scheduler.step([each for each in [first, *others] if each not in scheduler.waiting and not each.is_finished])
        steps += 1

    assert steps < 60
    scheduler.clear()
    assert held(model) == 0


def test_those_who_decode_have_steps_of_their_own_beside_a_long_prompt(model: Any) -> None:
    model, computed = opened(cache_tokens=9000, uses_kernels=model.backend != "torch"), 0

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def step(self, works: Sequence[Work[Any]]) -> list[Tensor | None]:
            nonlocal computed
            computed += 10 + sum(len(work.ids) for work in works)  # what a step costs
            found: list[Tensor | None] = model.step(works)
            return found

    scheduler: Scheduler[Any] = Scheduler(Counting(), clock=lambda: computed)
    decoding, reading = greedy(model, [1, 2, 3], 1000), greedy(model, BEGINNINGS[0] + BEGINNINGS[1])
    scheduler.add(decoding)
    scheduler.step([decoding])
    scheduler.add(reading)
    begun = computed
    while reading.is_reading:
        scheduler.step([decoding, reading])

    pieces = -(-800 // 128)
    assert len(decoding.new_ids) > 4 * pieces
    assert computed - begun < 1.5 * (800 + pieces * 10)
    scheduler.clear()
    assert held(model) == 0


@needs_kernels
def test_a_prompt_that_is_given_up_leaves_only_what_it_has_seen() -> None:
    model = opened(cache_tokens=4000, uses_kernels=True)
    scheduler: Scheduler[Any] = Scheduler(model, clock=count(step=0.1).__next__)
    generation = greedy(model, [index % 1900 for index in range(3000)])
    scheduler.add(generation)
    scheduler.step([generation])
    assert held(model) > 3000 // 32

    scheduler.remove(generation)

    assert scheduler.held_tokens == 512
    assert held(model) <= 512 // 32 + 8


def opened(*, cache_tokens: int, uses_kernels: bool) -> Any:
    checkpoint, library = Checkpoint.open(folder()), best_library()
    if not uses_kernels:
        return Transformer(checkpoint.config, checkpoint, cache_tokens=cache_tokens)
    assert library is not None
    return KernelModel(
        checkpoint.config, checkpoint, library=library, form=Form.BFLOAT16, threads=1, cache_tokens=cache_tokens
    )


def greedy(model: Any, prompt: list[int], most: int = 40) -> Generation[Any]:
    return Generation(model, prompt, sampling=Sampling(temperature=0.0, max_tokens=most), stop_ids=())


def held(model: Any) -> int:
    """Count what is in use of the memory for keys and values."""
    if model.backend == "torch":
        return int(model._room._taken)
    return int(model._full.num_taken + model._sliding.num_taken)
