from collections import Counter

import pytest
import torch

from ostinato.engine import EngineError, Sampling
from ostinato.engine.sampler import Sampler, filtered

PROBABILITIES = torch.tensor([0.15, 0.4, 0.05, 0.3, 0.1])
LOGITS = PROBABILITIES.log()
DRAWS = 4000


def test_temperature_zero_takes_the_likeliest() -> None:
    sampler = Sampler(Sampling(temperature=0))

    assert [sampler.choose(LOGITS) for _ in range(5)] == [1] * 5


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_logits_of_damaged_weights_are_refused(number: float, temperature: float) -> None:
    with pytest.raises(EngineError, match="its weights are damaged"):
        Sampler(Sampling(temperature=temperature)).choose(torch.tensor([0.0, number, 1.0]))


def test_ids_come_as_often_as_they_are_likely() -> None:
    assert frequencies(Sampling(seed=0)) == pytest.approx(PROBABILITIES.tolist(), abs=0.03)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_sharpens_and_flattens(temperature: float) -> None:
    expected = (LOGITS / temperature).softmax(dim=-1).tolist()

    assert frequencies(Sampling(seed=0, temperature=temperature)) == pytest.approx(expected, abs=0.03)


def test_a_minute_temperature_is_the_likeliest_and_no_overflow() -> None:
    assert frequencies(Sampling(seed=0, temperature=1e-30))[1] == 1


@pytest.mark.parametrize(
    ("sampling", "allowed"),
    [
        (Sampling(), {0, 1, 2, 3, 4}),
        (Sampling(top_k=1), {1}),
        (Sampling(top_k=3), {0, 1, 3}),
        (Sampling(top_k=50), {0, 1, 2, 3, 4}),
        (Sampling(top_p=0.01), {1}),
        (Sampling(top_p=0.5), {1, 3}),
        (Sampling(top_p=0.8), {0, 1, 3}),
        (Sampling(min_p=0.3), {0, 1, 3}),
        (Sampling(min_p=1.0), {1}),
        (Sampling(top_k=2, top_p=0.55), {1}),
        (Sampling(top_k=4, min_p=0.5), {1, 3}),
    ],
    ids=str,
)
def test_filters_leave_the_likeliest(sampling: Sampling, allowed: set[int]) -> None:
    kept = filtered(PROBABILITIES.clone(), sampling)

    assert set(kept.nonzero().flatten().tolist()) == allowed
    assert all(kept[token] == PROBABILITIES[token] for token in allowed)


def test_what_is_filtered_out_is_never_chosen() -> None:
    assert frequencies(Sampling(seed=0, top_k=2)) == pytest.approx([0, 4 / 7, 0, 3 / 7, 0], abs=0.03)


def test_a_seed_makes_the_choices_repeatable() -> None:
    assert draws(Sampling(seed=7)) == draws(Sampling(seed=7))
    assert draws(Sampling(seed=7)) != draws(Sampling(seed=8))


def test_without_a_seed_no_two_runs_are_alike() -> None:
    assert draws(Sampling()) != draws(Sampling())


def draws(sampling: Sampling, count: int = 100) -> list[int]:
    sampler = Sampler(sampling)
    return [sampler.choose(LOGITS) for _ in range(count)]


def frequencies(sampling: Sampling) -> list[float]:
    counts = Counter(draws(sampling, DRAWS))
    return [counts[token] / DRAWS for token in range(len(PROBABILITIES))]
