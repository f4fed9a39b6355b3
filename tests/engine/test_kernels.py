"""The compiled kernels, each of those this processor can run, against the slow reference.

Keys, values and the activations of long prompts are bfloat16, so the error is relative, and every expert answers: which
ones are asked could hang on the last bit.
"""

import mmap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ostinato.engine import reference
from ostinato.engine.batch import OutOfMemory, Work
from ostinato.engine.checkpoint import Checkpoint, save_checkpoint
from ostinato.engine.config import ModelConfig, Rope, alternating
from ostinato.engine.kernels.library import Form, libraries
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.kernels.model import KernelModel, can_run
from ostinato.engine.model import Transformer
from ostinato.engine.pages import PagedCache

BASE = ModelConfig(
    vocab_size=97,
    hidden_size=96,
    intermediate_size=160,
    num_query_heads=8,
    num_kv_heads=2,
    head_dim=32,
    num_experts=3,
    experts_per_token=3,
    layer_types=alternating(4),
    context_length=1024,
    sliding_window=40,
    rope=Rope(factor=8.0, initial_context_length=128),
)
VARIANTS = {
    "as released": BASE,
    "with wide heads": replace(BASE, head_dim=64, num_query_heads=16),
    "with a head each": replace(BASE, num_kv_heads=8),
    "with a group of five": replace(BASE, num_query_heads=10),
    "with a window of one": replace(BASE, sliding_window=1),
    "with a window of some pages": replace(BASE, sliding_window=100),
    "with full layers only": replace(BASE, layer_types=("full_attention",) * 2),
    "with sliding layers only": replace(BASE, layer_types=("sliding_attention",) * 2),
    "with a vocabulary of whole panels": replace(BASE, vocab_size=128, hidden_size=128, intermediate_size=64),
}
KINDS = list(libraries())
TOLERANCE = {Form.BFLOAT16: 0.01, Form.INT8: 0.04}

pytestmark = pytest.mark.skipif(not KINDS, reason="no kernels were built: there was no C++ compiler")


@pytest.fixture(scope="module")
def checkpoints(
    tmp_path_factory: pytest.TempPathFactory, make_tensors: Callable[..., dict[str, Tensor]]
) -> Callable[[ModelConfig], Checkpoint]:
    folders: dict[ModelConfig, Path] = {}

    def checkpoint(config: ModelConfig) -> Checkpoint:
        if config not in folders:
            folders[config] = tmp_path_factory.mktemp("kernels")
            save_checkpoint(folders[config], config, gentle(make_tensors(config)))
        return Checkpoint.open(folders[config])

    return checkpoint


@pytest.fixture(scope="module")
def ids() -> list[int]:
    return torch.randint(0, BASE.vocab_size, (300,), generator=torch.Generator().manual_seed(2)).tolist()


@pytest.mark.parametrize("form", [Form.BFLOAT16, Form.INT8])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_equal_the_reference(
    kind: str, variant: str, form: Form, checkpoints: Callable[..., Checkpoint], ids: list[int]
) -> None:
    checkpoint = checkpoints(VARIANTS[variant])
    wanted = reference.forward(checkpoint.config, checkpoint, ids)
    for lengths in ([300], [16] * 18 + [12], [17, 1, 1, 200, 3, 78]):
        model = opened(checkpoint, kind, form)
        got = read(model, ids, lengths)
        ends = torch.tensor(lengths).cumsum(0) - 1
        assert distance(got, wanted[ends]) < TOLERANCE[form], lengths
        model.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_are_nearer_to_the_reference_than_torch_in_bfloat16(
    kind: str, checkpoints: Callable[..., Checkpoint], ids: list[int]
) -> None:
    checkpoint = checkpoints(BASE)
    wanted = reference.forward(BASE, checkpoint, ids)[-1]
    model = Transformer(BASE, checkpoint, dtype=torch.bfloat16)
    (theirs,) = model.step([Work(cache=model.new_cache(), ids=ids, wants_logits=True)])
    assert theirs is not None

    ours = read(opened(checkpoint, kind, Form.BFLOAT16), ids, [300])[0]

    assert distance(ours, wanted) < distance(theirs, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_comes_out_the_same_whoever_else_is_in_the_step(
    kind: str, checkpoints: Callable[..., Checkpoint], ids: list[int]
) -> None:
    model = opened(checkpoints(BASE), kind, Form.INT8)
    alone = [step(model, model.new_cache(), ids[:length]) for length in (1, 5, 40, 200)]

    works = [work(model.new_cache(), ids[:length]) for length in (1, 5, 40, 200)]
    together = model.step(works)

    for one, other in zip(alone, together, strict=True):
        assert other is not None
        assert distance(one, other) < 1e-3  # a last bit may round a key the other way


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_threads_changes_nothing(
    kind: str, checkpoints: Callable[..., Checkpoint], ids: list[int]
) -> None:
    logits = [
        step(model := opened(checkpoints(BASE), kind, Form.INT8, threads=n), model.new_cache(), ids) for n in (1, 3)
    ]

    torch.testing.assert_close(logits[0], logits[1], atol=0, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_rows_of_the_head_are_those_of_all(
    kind: str, checkpoints: Callable[..., Checkpoint], ids: list[int]
) -> None:
    model = opened(checkpoints(BASE), kind, Form.BFLOAT16)
    rows = [96, 3, 17]

    few = step(model, model.new_cache(), ids[:20], rows=rows)

    torch.testing.assert_close(few, step(model, model.new_cache(), ids[:20])[rows], atol=0, rtol=0)


def test_a_branch_goes_on_like_a_sequence_of_its_own(checkpoints: Callable[..., Checkpoint], ids: list[int]) -> None:
    model = opened(checkpoints(BASE), KINDS[0], Form.BFLOAT16)
    cache = model.new_cache()
    step(model, cache, ids[:75])
    cache.mark()
    for number in ids[75:290]:
        step(model, cache, [number])

    assert cache.branching_point(200) == 75
    branch = cache.branch(75)
    branched, gone_on = step(model, branch, [5, 6, 7]), step(model, cache, [5, 6, 7])

    fresh = model.new_cache()
    step(model, fresh, ids[:75])
    assert distance(branched, step(model, fresh, [5, 6, 7])) < 1e-5
    again = model.new_cache()
    for number in ids[:290]:
        step(model, again, [number])
    assert distance(gone_on, step(model, again, [5, 6, 7])) < TOLERANCE[Form.BFLOAT16]


def test_memory_that_runs_out_is_said_before_anything_moves(
    checkpoints: Callable[..., Checkpoint], ids: list[int]
) -> None:
    model = opened(checkpoints(BASE), KINDS[0], Form.BFLOAT16, cache_tokens=64)
    first, second = model.new_cache(), model.new_cache()
    step(model, first, ids[:40])

    with pytest.raises(OutOfMemory):
        model.step([work(first, ids[40:41]), work(second, ids[:10])])

    assert (first.length, second.length) == (40, 0)
    first.free()
    second.free()
    step(model, model.new_cache(), ids[:64])


def test_the_memory_for_keys_and_values_is_taken_as_it_is_needed(
    checkpoints: Callable[..., Checkpoint], ids: list[int]
) -> None:
    model = opened(checkpoints(BASE), KINDS[0], Form.BFLOAT16)
    before = resident_bytes()

    cache = model.new_cache()
    for _ in range(3):
        step(model, cache, ids)

    assert available_bytes() > 2**24
    assert resident_bytes() - before < 2**28


def test_only_shapes_that_the_kernels_take_are_given_to_them() -> None:
    assert can_run(BASE, is_packed=True)
    assert not can_run(BASE, is_packed=False)
    assert not can_run(replace(BASE, head_dim=16), is_packed=True)
    assert not can_run(replace(BASE, num_query_heads=34), is_packed=True)


def gentle(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Halve the weights but those of the norms, so that an error does not grow from layer to layer."""
    return {name: tensor if name.endswith("norm.weight") else 0.5 * tensor for name, tensor in tensors.items()}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def opened(checkpoint: Checkpoint, kind: str, form: Form, *, threads: int = 2, **options: int) -> KernelModel:
    library = libraries()[kind]
    return KernelModel(checkpoint.config, checkpoint, library=library, form=form, threads=threads, **options)


def work(cache: PagedCache, ids: Sequence[int], rows: Sequence[int] | None = None) -> Work[PagedCache]:
    return Work(cache=cache, ids=ids, wants_logits=True, rows=rows, is_exact=len(ids) <= 16)


def step(model: KernelModel, cache: PagedCache, ids: Sequence[int], rows: Sequence[int] | None = None) -> Tensor:
    (logits,) = model.step([work(cache, ids, rows)])
    assert logits is not None
    return logits


def read(model: KernelModel, ids: list[int], lengths: list[int]) -> Tensor:
    """Return the logits after each piece."""
    cache, begin, logits = model.new_cache(), 0, []
    for length in lengths:
        logits.append(step(model, cache, ids[begin : begin + length]))
        begin += length
    return torch.stack(logits)


def distance(ours: Tensor, theirs: Tensor) -> float:
    return float(torch.linalg.vector_norm(ours - theirs) / torch.linalg.vector_norm(theirs))
