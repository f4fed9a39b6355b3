"""Keys and values in a file: a session goes on in another engine, and no file that is not right is taken."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from ostinato.engine.interface import EngineError, Sampling, Usage
from ostinato.engine.kernels.library import best_library
from ostinato.engine.nano import folder as nano_folder
from ostinato.engine.torch_engine import TorchEngine

needs_kernels = pytest.mark.skipif(best_library() is None, reason="no kernels were built: there was no C++ compiler")
PROMPT = [(7 * index) % 2000 for index in range(500)]

Open = Callable[..., TorchEngine]


@pytest.fixture(params=[pytest.param(True, marks=needs_kernels), False], ids=["kernels", "torch"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    engines: list[TorchEngine] = []

    def open_engine(
        folder: Path | None = None, *, uses_kernels: bool = request.param, tokens: int = 9000
    ) -> TorchEngine:
        engine = TorchEngine.open(folder or nano_folder(), threads=1, uses_kernels=uses_kernels, cache_tokens=tokens)
        engines.append(engine)
        return engine

    yield open_engine
    for engine in engines:
        await engine.aclose()


async def ids_of(engine: TorchEngine, prompt: Sequence[int], count: int = 30) -> tuple[list[int], Usage]:
    stream = engine.stream(prompt, sampling=Sampling(temperature=0.0, max_tokens=count), stop_ids=())
    return [number async for number in stream], stream.usage


async def test_a_session_goes_on_in_another_engine(opened: Open, tmp_path: Path) -> None:
    engine, other = opened(), opened()
    said, _ = await ids_of(engine, PROMPT, 200)
    longer = [*PROMPT, *said, 5, 6, 7]

    saved = await engine.save_cache(longer, tmp_path / "cache")
    loaded = await other.load_cache(tmp_path / "cache")

    assert saved == loaded == other.held_tokens == len(PROMPT) + 199
    ids, usage = await ids_of(other, longer)
    assert usage.cached == saved
    assert ids == (await ids_of(engine, longer))[0]
    ids, usage = await ids_of(other, [*PROMPT, 9, 9])  # rewound to where the prompt ended
    assert usage.cached == len(PROMPT)
    assert ids == (await ids_of(engine, [*PROMPT, 9, 9]))[0]


async def test_a_session_is_saved_while_its_stream_goes_on(opened: Open, tmp_path: Path) -> None:
    engine, other = opened(), opened()
    stream = engine.stream(PROMPT, sampling=Sampling(temperature=0.0, max_tokens=100), stop_ids=())
    said = [await anext(stream)]

    saving = asyncio.create_task(engine.save_cache(PROMPT, tmp_path / "cache"))
    said += [number async for number in stream]

    assert await saving == len(PROMPT)
    await other.load_cache(tmp_path / "cache")
    assert (await ids_of(other, PROMPT, 100))[0] == said


async def test_only_what_is_in_memory_can_be_saved(opened: Open, tmp_path: Path) -> None:
    engine = opened()

    with pytest.raises(EngineError, match="nothing of these 500 ids is in memory; save what a stream has seen"):
        await engine.save_cache(PROMPT, tmp_path / "cache")

    assert os.listdir(tmp_path) == []


async def test_a_file_that_cannot_be_written_or_read_is_named(opened: Open, tmp_path: Path) -> None:
    engine = opened()
    await ids_of(engine, PROMPT)
    missing = tmp_path / "missing" / "cache"

    with pytest.raises(EngineError, match=r"cannot write the cache to '.*missing/cache': No such file or directory"):
        await engine.save_cache(PROMPT, missing)
    with pytest.raises(EngineError, match=r"cannot read the cache '.*missing/cache': No such file or directory"):
        await engine.load_cache(missing)


async def test_a_cache_of_other_weights_is_refused(opened: Open, folder: Path, tmp_path: Path) -> None:
    engine, tiny = opened(), opened(folder, uses_kernels=False)
    await ids_of(tiny, [1, 2, 3])
    await tiny.save_cache([1, 2, 3], tmp_path / "cache")

    with pytest.raises(EngineError, match="is the cache of another model; load it with the weights it was saved with"):
        await engine.load_cache(tmp_path / "cache")


@needs_kernels
async def test_a_cache_of_the_kernels_is_none_of_torch(opened: Open, tmp_path: Path) -> None:
    engine, other = opened(uses_kernels=True), opened(uses_kernels=False)
    await ids_of(engine, PROMPT)
    await engine.save_cache(PROMPT, tmp_path / "cache")

    with pytest.raises(
        EngineError, match=r"holds pages of 32 tokens in bfloat16, .*; here are tensors of torch.float32"
    ):
        await other.load_cache(tmp_path / "cache")


async def test_a_cache_that_does_not_fit_the_memory_is_refused(opened: Open, tmp_path: Path) -> None:
    engine, narrow = opened(), opened(tokens=200)
    await ids_of(engine, PROMPT)
    await engine.save_cache(PROMPT, tmp_path / "cache")

    with pytest.raises(EngineError, match="has 500 tokens, for which there is no memory now"):
        await narrow.load_cache(tmp_path / "cache")

    assert len((await ids_of(narrow, PROMPT[:50]))[0]) == 30


@pytest.mark.parametrize("seed", range(3))
async def test_a_file_with_any_change_is_refused_and_nothing_is_kept_of_it(
    seed: int, opened: Open, tmp_path: Path
) -> None:
    source, path = Random(seed), tmp_path / "cache"
    engine = opened()
    await ids_of(engine, PROMPT[:100])
    await engine.save_cache(PROMPT[:100], path)
    whole = path.read_bytes()
    header = whole.index(b"{"), whole.index(b"}") + 1
    other = opened()
    for _ in range(60):
        path.write_bytes(changed(whole, header, source))

        with pytest.raises(EngineError) as caught:
            await other.load_cache(path)

        assert "\n" not in str(caught.value)
        assert other.held_tokens == 0
    path.write_bytes(whole)
    assert await other.load_cache(path) == 100


def changed(whole: bytes, header: tuple[int, int], source: Random) -> bytes:
    """Change a bit, cut, add, or change a digit of the header."""
    match source.randrange(4):
        case 0:
            place = source.randrange(source.choice([len(whole), 700]))
            return whole[:place] + bytes([whole[place] ^ 1 << source.randrange(8)]) + whole[place + 1 :]
        case 1:
            return whole[: source.randrange(source.choice([len(whole), 700]))]
        case 2:
            return whole + source.randbytes(source.randrange(1, 50))
        case _:
            digits = [place for place in range(*header) if whole[place : place + 1].isdigit()]
            place = source.choice(digits)
            digit = str((int(whole[place : place + 1]) + source.randrange(1, 10)) % 10).encode()
            return whole[:place] + digit + whole[place + 1 :]


async def test_an_engine_without_a_checkpoint_cannot_name_its_weights(tmp_path: Path) -> None:
    loaded = TorchEngine.open(nano_folder(), threads=1, uses_kernels=False)
    assert loaded._model is not None
    engine = TorchEngine(loaded._model)

    with pytest.raises(EngineError, match="only an engine that was opened from a checkpoint can save"):
        await engine.save_cache(PROMPT, tmp_path / "cache")
    await engine.aclose()
    with pytest.raises(EngineError, match="engine 'torch' is closed; open another"):
        await engine.load_cache(tmp_path / "cache")
    await loaded.aclose()
