"""Experts on demand: the same logits as with all of them in memory, whatever few there are places for."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ostinato.engine import CheckpointError, EngineError, Sampling
from ostinato.engine.batch import Work
from ostinato.engine.checkpoint import Checkpoint, save_checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.footprint import Footprint
from ostinato.engine.kernels.library import Form, libraries
from ostinato.engine.kernels.model import KernelModel
from ostinato.engine.kernels.plan import fitting_places
from ostinato.engine.pages import PagedCache
from ostinato.engine.torch_engine import TorchEngine

KINDS = list(libraries())
EXPERTS, LAYERS = 12, 4
COUNTED = Footprint(panels=10**9, expert=10**7, beside=10**8, num_experts=EXPERTS * LAYERS)

pytestmark = pytest.mark.skipif(not KINDS, reason="no kernels were built: there was no C++ compiler")


@pytest.fixture(scope="module")
def many(config: ModelConfig) -> ModelConfig:
    return replace(config, head_dim=32, num_experts=EXPERTS, experts_per_token=3)


@pytest.fixture
def checkpoint(many: ModelConfig, make_tensors: Callable[..., dict[str, Tensor]], tmp_path: Path) -> Checkpoint:
    save_checkpoint(tmp_path / "many", many, make_tensors(many))
    return Checkpoint.open(tmp_path / "many")


@pytest.fixture(scope="module")
def ids() -> list[int]:
    return torch.randint(0, 97, (120,), generator=torch.Generator().manual_seed(3)).tolist()


@pytest.mark.parametrize("places", [3, 5, 11, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_few_places_give_the_logits_of_all(kind: str, places: int, checkpoint: Checkpoint, ids: list[int]) -> None:
    resident, on_demand = (opened(checkpoint, kind=kind, places=number) for number in (None, places))

    for lengths in ([100, 1, 1, 1], [16, 4, 40, 1]):
        caches = resident.new_cache(), on_demand.new_cache()
        for begin, length in zip((0, *torch.tensor(lengths).cumsum(0).tolist()), lengths, strict=False):
            piece = ids[begin : begin + length]
            assert torch.equal(step(resident, caches[0], piece), step(on_demand, caches[1], piece))


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_prompts_and_single_ids_gives_the_logits_of_all(
    kind: str, checkpoint: Checkpoint, ids: list[int]
) -> None:
    together = []
    for places in (None, 4):
        model = opened(checkpoint, kind=kind, places=places)
        works = [work(model.new_cache(), piece) for piece in (ids[:60], ids[60:61], ids[61:64])]
        together.append(model.step(works))

    for whole, few in zip(*together, strict=True):
        assert whole is not None
        assert few is not None
        assert torch.equal(whole, few)


def test_an_expert_that_has_a_place_is_not_read_again(checkpoint: Checkpoint, ids: list[int]) -> None:
    model = opened(checkpoint, places=30)
    store = model.store
    assert store is not None

    step(model, model.new_cache(), ids[:1])
    first = store.misses
    step(model, model.new_cache(), ids[:1])

    assert (first, store.misses, store.hits) == (3 * LAYERS, 3 * LAYERS, 3 * LAYERS)


def test_prompts_one_after_the_other_find_some_experts_although_each_asks_for_all(
    checkpoint: Checkpoint, ids: list[int]
) -> None:
    model = opened(checkpoint, places=24)
    store = model.store
    assert store is not None

    step(model, model.new_cache(), ids)
    assert (store.misses, store.hits) == (EXPERTS * LAYERS, 0)
    for _ in range(3):
        step(model, model.new_cache(), ids)

    assert store.hits >= 3 * 12


def test_an_expert_that_cannot_be_read_fails_the_step_and_no_later_one(checkpoint: Checkpoint, ids: list[int]) -> None:
    model = opened(checkpoint, places=10)
    cache = model.new_cache()
    step(model, cache, ids[:5])
    path = checkpoint.stored("lm_head.weight").file.path
    whole = path.read_bytes()

    path.write_bytes(whole[:10_000])
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged or cut short"):
        step(model, cache, ids[5:10])
    assert cache.length == 5
    path.write_bytes(whole)

    resident = opened(checkpoint)
    step(resident, other := resident.new_cache(), ids[:5])
    assert torch.equal(step(model, cache, ids[5:10]), step(resident, other, ids[5:10]))


def test_an_expert_with_a_scale_that_is_none_is_named_when_it_is_read(checkpoint: Checkpoint, ids: list[int]) -> None:
    path = checkpoint.stored("lm_head.weight").file.path
    stored = load_file(path)
    stored["model.layers.3.mlp.experts.down_proj_scales"][:, -1, -1] = 255
    save_file(stored, path)
    model = opened(Checkpoint.open(path.parent), places=10)

    with pytest.raises(CheckpointError, match=r"model.layers.3.mlp.experts.down_proj_scales holds numbers"):
        step(model, model.new_cache(), ids[:5])


async def test_an_engine_tells_what_to_expect_before_it_loads(checkpoint: Checkpoint, ids: list[int]) -> None:
    folder = checkpoint.stored("lm_head.weight").file.path.parent
    events: list[object] = []

    engine = TorchEngine.open(
        folder,
        expert_memory=100_000,
        on_notice=events.append,
        progress=lambda done, total: events.append((done, total)),
    )

    assert re.match(r"the memory holds 2\d of 48 experts, the others are read when they are asked", str(events[0]))
    assert " MB/s, which is about " in str(events[0])
    assert events[-1] == (events[-1][1], events[-1][1])  # type: ignore[index]
    sampling = Sampling(temperature=0, max_tokens=8)
    sampled = [number async for number in engine.stream(ids, sampling=sampling, stop_ids=())]
    whole = TorchEngine.open(folder)
    assert sampled == [number async for number in whole.stream(ids, sampling=sampling, stop_ids=())]
    await engine.aclose()
    await whole.aclose()


@pytest.mark.parametrize(
    ("available", "limit", "places"),
    [
        (3 * 10**9, None, None),
        (2_900_000_000, None, 18),
        (3 * 10**9, 10**9, None),
        (3 * 10**9, 95_000_000, 9),
        (1_700_000_000, 50_000_000, 5),
    ],
)
def test_experts_get_the_places_that_the_memory_has(
    available: int, limit: int | None, places: int | None, many: ModelConfig
) -> None:
    counted = replace(COUNTED, num_experts=150) if places == 18 else COUNTED

    assert fitting_places(many, counted, available=available, expert_memory=limit) == places


@pytest.mark.parametrize(
    ("available", "limit", "complaint"),
    [
        (
            1_900_000_000,
            None,
            r"the model needs 2.1 GB of memory and 1.9 GB are available; close other programs",
        ),
        (9 * 10**9, 10**7, r"0.0 GB hold fewer experts than a token asks of a layer; give the experts 0.0 GB or more"),
        (1_640_000_000, 50_000_000, r"the model needs 1.7 GB of memory and 1.6 GB are available"),
    ],
)
def test_too_little_memory_for_even_a_few_experts_is_refused(
    available: int, limit: int | None, complaint: str, many: ModelConfig
) -> None:
    with pytest.raises(EngineError, match=complaint):
        fitting_places(many, COUNTED, available=available, expert_memory=limit)


def test_what_a_model_needs_with_experts_on_demand_is_told_where_it_is_less(many: ModelConfig) -> None:
    counted = replace(COUNTED, num_experts=150)

    with pytest.raises(EngineError, match=r"3.1 GB of memory, or 2.8 GB with experts read as .*, and 2.0 GB are"):
        fitting_places(many, counted, available=2 * 10**9)


def opened(checkpoint: Checkpoint, *, kind: str = "", places: int | None = None) -> KernelModel:
    library = libraries()[kind or KINDS[0]]
    config = checkpoint.config
    return KernelModel(config, checkpoint, library=library, form=Form.BFLOAT16, threads=2, expert_places=places)


def work(cache: PagedCache, ids: Sequence[int]) -> Work[PagedCache]:
    return Work(cache=cache, ids=ids, wants_logits=True, is_exact=len(ids) <= 16)


def step(model: KernelModel, cache: PagedCache, ids: Sequence[int]) -> Tensor:
    (logits,) = model.step([work(cache, ids)])
    assert logits is not None
    return logits
