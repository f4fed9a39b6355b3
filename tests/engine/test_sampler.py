"""What is drawn, from how much, and how likely it is said to be."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples
from torch import Tensor
from transformers import RepetitionPenaltyLogitsProcessor

from ostinato.engine import EngineError, Sampling, TokenLogprob
from ostinato.engine.sampler import Sampler, likeliest

PROBABILITIES = torch.tensor([0.15, 0.4, 0.05, 0.3, 0.1])
LOGITS = PROBABILITIES.log()
DRAWS = 4000
VOCABULARY = 201_088


def sampler_of(sampling: Sampling, size: int = 5) -> Sampler:
    return Sampler(sampling, vocab_size=size)


def choose(sampler: Sampler, logits: Tensor, rows: Sequence[int] | None = None) -> int:
    number, _ = sampler.choose(logits.clone().numpy(), rows)
    return number


def draws(sampling: Sampling, count: int = 100, logits: Tensor = LOGITS) -> list[int]:
    sampler = sampler_of(sampling, len(logits))
    return [choose(sampler, logits) for _ in range(count)]


def frequencies(sampling: Sampling) -> list[float]:
    counts = Counter(draws(sampling, DRAWS))
    return [counts[token] / DRAWS for token in range(len(PROBABILITIES))]


def kept(sampling: Sampling, logits: Tensor = LOGITS) -> set[int]:
    return set(draws(sampling, 1000, logits))


def test_temperature_zero_takes_the_likeliest() -> None:
    assert draws(Sampling(temperature=0), 5) == [1] * 5


def test_of_equals_the_first_is_the_likeliest() -> None:
    assert draws(Sampling(temperature=0), 1, torch.tensor([0.0, 2.0, 1.0, 2.0])) == [1]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_logits_of_damaged_weights_are_refused(number: float, temperature: float) -> None:
    with pytest.raises(EngineError, match="its weights are damaged"):
        choose(sampler_of(Sampling(temperature=temperature)), torch.tensor([0.0, number, 1.0]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_ids_come_as_often_as_they_are_likely(temperature: float) -> None:
    expected = (LOGITS / temperature).softmax(dim=-1).tolist()

    assert frequencies(Sampling(seed=0, temperature=temperature)) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("size", "count"), [(300, 30_000), (2500, 50_000), (VOCABULARY, 4000)])
def test_the_draws_are_of_the_models_distribution_by_a_chi_square(size: int, count: int) -> None:
    logits = 2.5 * torch.randn(size, generator=torch.Generator().manual_seed(1))
    expected = count * logits.double().softmax(dim=-1).numpy()
    found = np.bincount(draws(Sampling(seed=2), count, logits), minlength=size)
    edges = [0, *(np.flatnonzero(np.diff(expected.cumsum() // 20)) + 1)]  # twenty expected in each cell

    cells, seen = np.add.reduceat(expected, edges), np.add.reduceat(found, edges)

    assert len(cells) > 100
    chi_square = ((seen - cells) ** 2 / cells).sum()
    freedom = len(cells) - 1
    assert abs(chi_square - freedom) < 4 * math.sqrt(2 * freedom)


def test_every_id_can_come_also_the_first_and_last_of_what_is_summed_together() -> None:
    assert set(draws(Sampling(seed=6), 30_000, torch.zeros(1100))) == set(range(1100))


@pytest.mark.parametrize("temperature", [1e-30, 1e-300])
def test_a_minute_temperature_is_the_likeliest_and_no_overflow(temperature: float) -> None:
    assert frequencies(Sampling(seed=0, temperature=temperature))[1] == 1


FILTERS = [
    (Sampling(seed=0), {0, 1, 2, 3, 4}),
    (Sampling(seed=0, top_k=1), {1}),
    (Sampling(seed=0, top_k=3), {0, 1, 3}),
    (Sampling(seed=0, top_k=50), {0, 1, 2, 3, 4}),
    (Sampling(seed=0, top_p=0.01), {1}),
    (Sampling(seed=0, top_p=0.5), {1, 3}),
    (Sampling(seed=0, top_p=0.8), {0, 1, 3}),
    (Sampling(seed=0, min_p=0.3), {0, 1, 3}),
    (Sampling(seed=0, min_p=1.0), {1}),
    (Sampling(seed=0, top_k=2, top_p=0.55), {1}),
    (Sampling(seed=0, top_k=4, min_p=0.5), {1, 3}),
]


@pytest.mark.parametrize(("sampling", "allowed"), FILTERS, ids=str)
def test_filters_leave_the_likeliest(sampling: Sampling, allowed: set[int]) -> None:
    assert kept(sampling) == allowed


@pytest.mark.parametrize(("sampling", "allowed"), FILTERS, ids=str)
def test_filters_mean_the_same_in_a_large_vocabulary_and_among_a_few_ids(sampling: Sampling, allowed: set[int]) -> None:
    places = [3, 700, 1900, 1901, 39_999]
    large = torch.full((40_000,), -math.inf).index_fill(0, torch.tensor([5, 9]), -60.0)
    large[places] = LOGITS
    few, rows = sampler_of(sampling, 40_000), [2 * place for place in places]

    assert kept(sampling, large) == {places[index] for index in allowed}
    assert {choose(few, LOGITS, rows) for _ in range(1000)} == {rows[index] for index in allowed}


def test_what_is_filtered_out_is_never_chosen_and_the_rest_as_often_as_it_is_likely() -> None:
    assert frequencies(Sampling(seed=0, top_k=2)) == pytest.approx([0, 4 / 7, 0, 3 / 7, 0], abs=0.03)


def test_what_is_as_likely_as_the_last_that_is_left_stays_too() -> None:
    assert kept(Sampling(seed=0, top_k=2), torch.tensor([0.0, 3.0, 2.0, 2.0, 1.0])) == {1, 2, 3}


@examples(100)
@given(
    logits=st.lists(st.floats(-40, 40, width=32), min_size=2, max_size=1200),
    top_k=st.integers(0, 600),
    top_p=st.floats(0.05, 1),
    min_p=st.floats(0, 1),
)
def test_the_filters_are_what_sorting_everything_gives(
    logits: list[float], top_k: int, top_p: float, min_p: float
) -> None:
    sampling = Sampling(seed=1, top_k=top_k, top_p=top_p, min_p=min_p)
    weights = torch.tensor(logits, dtype=torch.float64).softmax(dim=-1).numpy()
    ids = np.argsort(-weights, kind="stable")[: top_k or None]
    before = weights[ids].cumsum() - weights[ids]
    nucleus = ids[before <= (top_p + 1e-5) * weights[ids].sum()]
    least = max(weights[nucleus[-1]], min_p * weights.max()) * (1 - 1e-5)

    assert all(weights[number] >= least for number in draws(sampling, 20, torch.tensor(logits)))


def test_a_seed_makes_the_choices_repeatable() -> None:
    assert draws(Sampling(seed=7)) == draws(Sampling(seed=7))
    assert draws(Sampling(seed=7)) != draws(Sampling(seed=8))


def test_without_a_seed_no_two_runs_are_alike() -> None:
    assert draws(Sampling()) != draws(Sampling())


# Penalties and bias.


def after(sampling: Sampling, came: Sequence[int], logits: Sequence[float], rows: Sequence[int] | None = None) -> int:
    """Return the likeliest id once these have come."""
    sampler = sampler_of(sampling, 10)
    for number in came:
        sampler.take(number)
    return choose(sampler, torch.tensor(logits), rows)


def greedy(**settings: Any) -> Sampling:
    return Sampling(temperature=0, **settings)


@pytest.mark.parametrize(
    ("sampling", "came", "logits", "expected"),
    [
        (greedy(repetition_penalty=2.0), [1], [1.1, 2.0, 0.0], 0),  # 2 / 2 is less
        (greedy(repetition_penalty=2.0), [1, 1, 1], [0.9, 2.0, 0.0], 1),  # once, however often it came
        (greedy(repetition_penalty=2.0), [1], [-1.9, -1.0, -3.0], 0),  # -1 x 2
        (greedy(repetition_penalty=0.5), [0], [1.0, 1.9, 0.0], 0),  # below 1 invites repetition
        (greedy(frequency_penalty=0.5), [1, 1, 1], [0.6, 2.0, 0.0], 0),  # 2 - 3 x 0.5
        (greedy(frequency_penalty=0.5), [1, 1], [0.6, 2.0, 0.0], 1),
        (greedy(presence_penalty=0.5), [1, 1, 1, 1], [1.4, 2.0, 0.0], 1),  # 2 - 0.5, however often
        (greedy(presence_penalty=0.5), [1], [1.6, 2.0, 0.0], 0),
        (greedy(frequency_penalty=-0.5), [0], [1.6, 2.0, 0.0], 0),
        (greedy(repetition_penalty=2.0, frequency_penalty=1.0, presence_penalty=1.0), [1], [-0.9, 2.0, -2.0], 0),
        (greedy(frequency_penalty=2.0), [], [1.0, 2.0, 0.0], 1),
    ],
)
def test_penalties_are_about_the_ids_that_came(
    sampling: Sampling, came: list[int], logits: list[float], expected: int
) -> None:
    rows = [2, 5, 8]

    assert after(sampling, came, [*logits, *[-9.0] * 7]) == expected
    assert after(sampling, [rows[index] for index in came], logits, rows) == rows[expected]


def test_the_repetition_penalty_is_that_of_transformers() -> None:
    generator = torch.Generator().manual_seed(5)
    for _ in range(20):
        logits = 3 * torch.randn(50, generator=generator)
        came = torch.randint(0, 50, (12,), generator=generator)
        processor = RepetitionPenaltyLogitsProcessor(1.7)

        sampler = sampler_of(greedy(repetition_penalty=1.7), 50)
        for number in came.tolist():
            sampler.take(number)

        assert choose(sampler, logits) == int(processor(came[None], logits[None].clone()).argmax())


def test_more_ids_than_were_made_room_for_can_come() -> None:
    sampler = sampler_of(greedy(presence_penalty=1.0), 1000)
    for number in range(999):
        sampler.take(number)

    assert choose(sampler, torch.linspace(0.5, 0, 1000)) == 999


BIASES = [
    ({0: 1.0}, [1.5, 2.0, 0.0], {0}),
    ({1: -100}, [1.5, 2.0, 0.0], {0}),
    ({2: 100}, [1.5, 2.0, 0.0], {2}),
    ({1: -math.inf, 0: -math.inf}, [1.5, 2.0, -50.0], {2}),
    ({2: math.inf}, [1.5, 2.0, -80.0], {2}),
    ({2: math.inf, 0: math.inf, 1: 100}, [1.5, 2.0, -80.0], {0}),
    ({0: -math.inf, 1: -math.inf, 2: -math.inf}, [1.5, 2.0, 0.0], {1}),
    ({}, [1.5, 2.0, 0.0], {1}),
]


@pytest.mark.parametrize(("bias", "logits", "expected"), BIASES, ids=str)
def test_a_bias_is_added_and_infinities_ban_and_choose(
    bias: dict[int, float], logits: list[float], expected: set[int]
) -> None:
    rows = [2, 5, 8]
    far = {rows[index]: change for index, change in bias.items()}
    masked = [-math.inf] * 10
    masked[2], masked[5], masked[8] = logits

    assert {after(greedy(logit_bias=bias), [], logits)} == expected
    assert after(greedy(logit_bias=far), [], logits, rows) in {rows[index] for index in expected}
    assert after(greedy(logit_bias=far), [], masked) in {rows[index] for index in expected}


def test_what_a_constraint_leaves_comes_before_the_bias() -> None:
    masked, rows = [1.0, 2.0, *[-math.inf] * 8], [0, 1]

    for bias in ({5: math.inf}, {0: -math.inf, 1: -math.inf}, {7: 100}):
        assert after(greedy(logit_bias=bias), [], masked) == 1
        assert after(greedy(logit_bias=bias), [], masked[:2], rows) == 1


def test_the_bias_changes_how_often_an_id_comes_by_as_much() -> None:
    odds = torch.tensor([0.15, 0.4 / math.e, 0.05, 0.3, 0.1])

    found = frequencies(Sampling(seed=0, logit_bias={1: -1}))

    assert found == pytest.approx((odds / odds.sum()).tolist(), abs=0.03)


def test_a_bias_of_an_id_that_is_not_there_is_refused() -> None:
    with pytest.raises(EngineError, match=r"^logit_bias names id 10; the vocabulary has 10$"):
        after(Sampling(logit_bias={10: 1.0}), [], [0.0] * 10)


# How likely an id was.


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(logprobs=3, seed=1),
        Sampling(logprobs=3, temperature=0),
        Sampling(logprobs=3, seed=1, temperature=0.3, top_k=2),
        Sampling(logprobs=3, seed=1, repetition_penalty=3.0, frequency_penalty=1, logit_bias={1: -100, 2: 7}),
    ],
    ids=str,
)
def test_logprobs_are_the_models_own_whatever_the_sampling(sampling: Sampling) -> None:
    sampler = sampler_of(sampling)
    sampler.take(3)

    for _ in range(50):
        number, told = sampler.choose((LOGITS + 4).numpy())

        assert told is not None
        assert told.id == number
        assert told.logprob == pytest.approx(float(LOGITS[number]), abs=1e-5)
        assert [token for token, _ in told.top] == [1, 3, 0]
        assert [logprob for _, logprob in told.top] == pytest.approx(LOGITS[[1, 3, 0]].tolist(), abs=1e-5)


def test_under_a_constraint_logprobs_are_among_what_is_allowed() -> None:
    masked = LOGITS.clone()
    masked[[1, 4]] = -math.inf
    expected = {0: 0.15 / 0.5, 2: 0.05 / 0.5, 3: 0.3 / 0.5}

    for logits, rows in ((masked, None), (LOGITS[[0, 2, 3]], [0, 2, 3])):
        number, told = sampler_of(Sampling(logprobs=20, seed=3)).choose(logits.numpy(), rows)
        assert told is not None
        assert math.exp(told.logprob) == pytest.approx(expected[number], abs=1e-5)
        assert {token: math.exp(logprob) for token, logprob in told.top} == pytest.approx(expected, abs=1e-5)


def test_what_is_forced_is_certain() -> None:
    assert sampler_of(Sampling(logprobs=2)).take(4) == (4, TokenLogprob(id=4, logprob=0.0, top=((4, 0.0),)))
    assert sampler_of(Sampling(logprobs=0)).take(4) == (4, TokenLogprob(id=4, logprob=0.0))
    assert sampler_of(Sampling()).take(4) == (4, None)


def test_without_being_asked_for_there_are_none() -> None:
    assert sampler_of(Sampling()).choose(LOGITS.clone().numpy())[1] is None


@pytest.mark.parametrize("size", [7, 512, 5000, 50_000])
@pytest.mark.parametrize("count", [1, 5, 20])
def test_the_likeliest_of_a_vocabulary_are_those_that_sorting_it_finds(size: int, count: int) -> None:
    logits = torch.randn(size, generator=torch.Generator().manual_seed(size)).numpy()
    logits[::3] = np.round(logits[::3])  # some are equal

    assert likeliest(logits, count).tolist() == np.argsort(-logits, kind="stable")[:count].tolist()
