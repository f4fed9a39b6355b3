"""Guesses at what comes next, and that they change nothing but the number of steps."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.generation import Generation
from ostinato.engine.interface import Sampling
from ostinato.engine.kernels.library import Form, best_library
from ostinato.engine.kernels.model import KernelModel
from ostinato.engine.lookup import Lookup
from ostinato.engine.nano import folder
from ostinato.engine.pages import PagedCache
from ostinato.engine.scheduler import Scheduler

needs_kernels = pytest.mark.skipif(best_library() is None, reason="no kernels were built: there was no C++ compiler")
PROMPT = [number % 23 + 300 for number in range(120)]  # what follows is what came before


def test_what_followed_the_last_ids_is_guessed() -> None:
    lookup = Lookup(7)

    assert lookup.guesses([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5], 7) == [6, 7, 8, 9, 1, 2, 3]


def test_the_latest_place_counts() -> None:
    lookup = Lookup(2)

    assert lookup.guesses([1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 7, 0, 1, 2, 3, 4, 5], 2) == [7, 0]


def test_nothing_is_guessed_where_fewer_ids_occurred_before() -> None:
    lookup = Lookup(7)

    assert lookup.guesses([9, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5], 7) == []
    assert Lookup(7).guesses([1], 7) == []
    assert Lookup(7).guesses([1] * 5, 7) == []


def test_a_sequence_that_grows_is_followed() -> None:
    lookup = Lookup(3)
    ids = list(range(1000))
    assert lookup.guesses(ids, 3) == []

    ids += [10, 11, 12, 13, 14]

    assert lookup.guesses(ids, 3) == [15, 16, 17]


def test_there_are_fewer_guesses_after_a_wrong_one_and_more_after_right_ones() -> None:
    lookup, ids = Lookup(6), [*range(20), *range(10)]
    lookup.learn(6, 2)
    assert len(lookup.guesses(ids, 6)) == 2

    lookup.learn(2, 2)
    assert len(lookup.guesses(ids, 6)) == 4

    lookup.learn(4, 0)
    assert len(lookup.guesses(ids, 6)) == 1
    assert lookup.guesses(ids, 0) == []


@pytest.fixture
def model() -> Iterator[KernelModel]:
    library = best_library()
    assert library is not None
    checkpoint = Checkpoint.open(folder())
    model = KernelModel(checkpoint.config, checkpoint, library=library, form=Form.BFLOAT16, threads=1)
    yield model
    model.close()


class EveryOther:
    """Allows a few ids, all of them or a single one, in turn."""

    lark = ""

    def __init__(self, vocab_size: int) -> None:
        self._all: NDArray[np.uint8] = np.full(-(-vocab_size // 8), 255, dtype=np.uint8)
        self._count = 0

    def allowed(self) -> Sequence[int] | NDArray[np.uint8]:
        turn = self._count % 6
        return PROMPT[:20] if turn == 2 else [300 + self._count % 23] if turn == 4 else self._all

    def accept(self, number: int) -> None:
        self._count += 1


@needs_kernels
@pytest.mark.parametrize("is_constrained", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_guesses_change_nothing_but_the_number_of_steps(
    model: KernelModel, temperature: float, is_constrained: bool
) -> None:
    sampling = Sampling(temperature=temperature, seed=3, max_tokens=90, logit_bias=dict.fromkeys(PROMPT, 20.0))
    found = []
    for most_guesses in (0, 7):
        model.most_guesses = most_guesses
        scheduler: Scheduler[PagedCache] = Scheduler(model)
        constraint = EveryOther(model.config.vocab_size) if is_constrained else None
        generation = Generation(model, PROMPT, sampling=sampling, stop_ids=(), constraint=constraint)
        scheduler.add(generation)
        steps = 0
        while not generation.is_finished:
            scheduler.step([generation])
            steps += 1
        found.append((generation.new_ids, steps))
        scheduler.clear()

    (plain, plain_steps), (guessed, guessed_steps) = found
    assert guessed == plain
    assert len(plain) == 90
    assert guessed_steps < plain_steps
