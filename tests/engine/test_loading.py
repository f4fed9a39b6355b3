"""Loading: what is read where, what it takes, and what is said of a machine too small for it."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.engine.original_layout import save_original_layout
from torch import Tensor

from ostinato.engine import CheckpointError, EngineError
from ostinato.engine.batch import Work
from ostinato.engine.checkpoint import Checkpoint, save_checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.kernels.embedding import Embedding
from ostinato.engine.kernels.footprint import footprint
from ostinato.engine.kernels.library import Form, best_library
from ostinato.engine.kernels.loader import Loader
from ostinato.engine.kernels.memory import available_bytes
from ostinato.engine.kernels.model import KernelModel
from ostinato.engine.kernels.plan import check_room
from ostinato.engine.loading import load

LIBRARY = best_library()
needs_kernels = pytest.mark.skipif(LIBRARY is None, reason="no kernels were built: there was no C++ compiler")

Make = Callable[[ModelConfig], dict[str, Tensor]]


@pytest.fixture(scope="module")
def wide(config: ModelConfig) -> ModelConfig:
    """A shape that the kernels take."""
    return replace(config, head_dim=32)


@pytest.fixture(scope="module")
def wide_tensors(wide: ModelConfig, make_tensors: Make) -> dict[str, Tensor]:
    return make_tensors(wide)


@pytest.fixture
def wide_folder(wide: ModelConfig, wide_tensors: Mapping[str, Tensor], tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "wide", wide, wide_tensors)
    return tmp_path / "wide"


@needs_kernels
@pytest.mark.parametrize("form", [Form.BFLOAT16, Form.INT8])
def test_both_layouts_are_packed_alike(form: Form, wide_folder: Path, tmp_path: Path, prompt: list[int]) -> None:
    official = Checkpoint.open(wide_folder)
    save_original_layout(tmp_path / "original", official)

    logits = [
        packed_logits(checkpoint, form, prompt) for checkpoint in (official, Checkpoint.open(tmp_path / "original"))
    ]

    assert torch.equal(*logits)


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_other_types_of_plain_numbers_are_packed_as_bfloat16(
    dtype: torch.dtype, wide_folder: Path, prompt: list[int]
) -> None:
    before = packed_logits(Checkpoint.open(wide_folder), Form.BFLOAT16, prompt)
    stored = load_file(wide_folder / "model.safetensors")
    wider = {name: tensor if tensor.dtype == torch.uint8 else tensor.to(dtype) for name, tensor in stored.items()}
    save_file(wider, wide_folder / "model.safetensors")

    torch.testing.assert_close(packed_logits(Checkpoint.open(wide_folder), Form.BFLOAT16, prompt), before)


@needs_kernels
@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "model.layers.1.mlp.router.bias", "lm_head.weight"])
def test_a_number_that_is_none_is_refused_with_its_tensors_name(name: str, wide_folder: Path) -> None:
    damage(wide_folder, name, lambda tensor: tensor.flatten()[-1:].fill_(float("nan")))

    with pytest.raises(CheckpointError, match=f"{name} holds numbers that are not finite; copy the checkpoint again"):
        load(wide_folder, uses_kernels=True)


@needs_kernels
@pytest.mark.parametrize(
    ("end", "number", "complaint"),
    [("scales", 255, "numbers that are not finite"), ("scales", 0, "but zeros"), ("blocks", 0, "but zeros")],
)
def test_damaged_experts_are_refused_with_their_tensors_name(
    end: str, number: int, complaint: str, wide_folder: Path
) -> None:
    name = f"model.layers.2.mlp.experts.down_proj_{end}"
    damage(wide_folder, name, lambda tensor: (tensor[3, -1, -1:] if number else tensor).fill_(number))

    with pytest.raises(CheckpointError, match=f"{name} holds .*{complaint}; copy the checkpoint again"):
        load(wide_folder, uses_kernels=True)


@pytest.mark.parametrize("uses_kernels", [False, pytest.param(True, marks=needs_kernels)])
def test_loading_reports_every_byte_once(uses_kernels: bool, wide_folder: Path) -> None:
    told: list[tuple[int, int]] = []

    model, _ = load(wide_folder, uses_kernels=uses_kernels, progress=lambda done, total: told.append((done, total)))
    model.step([Work(cache=model.new_cache(), ids=[1, 2], wants_logits=True)])

    total = sum(tensor.nbytes for tensor in load_file(wide_folder / "model.safetensors").values())
    assert told == sorted(told)
    assert (told[-2][0] < total, told[-1]) == (True, (total, total))


@needs_kernels
def test_an_embedding_that_stays_in_its_file_has_the_same_rows(wide_folder: Path) -> None:
    assert LIBRARY is not None
    stored = Checkpoint.open(wide_folder).stored("model.embed_tokens.weight")
    wanted = load_file(wide_folder / "model.safetensors")["model.embed_tokens.weight"].view(torch.uint16).numpy()
    ids = [5, 96, 0, 5]

    for most_resident in (0, 2**20):
        embedding = Embedding(stored, most_resident=most_resident)
        embedding.load(loader := Loader(LIBRARY))
        loader.run()
        rows = embedding.rows(ids)
        assert rows.dtype == np.uint16
        assert np.array_equal(rows, wanted[ids])


def test_an_embedding_whose_file_was_cut_is_named(wide_folder: Path) -> None:
    embedding = Embedding(Checkpoint.open(wide_folder).stored("model.embed_tokens.weight"), most_resident=0)
    (wide_folder / "model.safetensors").write_bytes(b"")

    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged or cut short"):
        embedding.rows([1])


@needs_kernels
def test_what_weights_take_is_known_before(wide: ModelConfig) -> None:
    assert LIBRARY is not None
    counted = footprint(wide, LIBRARY, Form.INT8)
    blocks = 4 * (2 * 32 * 64 + 64 * 64) // 2  # inputs are padded to 64
    scales = 4 * (2 * 32 + 64) * 2  # of two groups a row
    queries, keys, values, out, head = 128 * 64, 64 * 64, 64 * 64, 64 * 128, 112 * 64

    assert counted.expert == blocks // 4 + scales // 4
    assert counted.panels == 4 * (queries + keys + values + out) + head
    assert counted.whole == counted.fixed + 16 * counted.expert


def test_a_model_too_large_for_the_memory_is_refused_with_both_sizes() -> None:
    check_room(10**9, 2 * 10**9)

    with pytest.raises(EngineError, match=r"needs 12.5 GB of memory and 8.0 GB are available; close other programs"):
        check_room(12 * 10**9, 8 * 10**9)


@pytest.mark.parametrize(
    ("files", "available"),
    [
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    4000 kB\n"}, 4_096_000),
        (
            {
                "proc/meminfo": "MemAvailable: 4000 kB",
                "proc/self/cgroup": "0::/user/run\n",
                "sys/fs/cgroup/user/run/memory.max": "max\n",
                "sys/fs/cgroup/user/run/memory.current": "5\n",
                "sys/fs/cgroup/user/run/memory.stat": "",
                "sys/fs/cgroup/user/memory.max": "3000\n",
                "sys/fs/cgroup/user/memory.current": "2500\n",
                "sys/fs/cgroup/user/memory.stat": "anon 1000\ninactive_file 400\n",
            },
            900,
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 4000 kB",
                "proc/self/cgroup": "9:cpu:/\n4:memory:/docker/abc\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "4000\n",
                "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 100\n",
            },
            0,
        ),
    ],
    ids=["of the machine", "of a group above", "of a container"],
)
def test_the_memory_that_is_left_is_that_of_the_tightest_limit(
    files: dict[str, str], available: int, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert available_bytes(tmp_path) == available


MEASURE = """
import re, sys
from pathlib import Path
from ostinato.engine.loading import load

def megabytes(name):
    return int(re.search(rf"{name}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

before = megabytes("VmRSS")
model = load(sys.argv[1], uses_kernels=True)
print(before, megabytes("VmRSS"), megabytes("VmHWM"))
"""


@needs_kernels
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_takes_little_more_memory_than_the_weights(
    wide: ModelConfig, make_tensors: Make, tmp_path: Path
) -> None:
    assert LIBRARY is not None
    large = replace(wide, hidden_size=512, intermediate_size=1024, num_experts=16)
    tensors = {name: tensor.bfloat16() for name, tensor in make_tensors(large).items()}
    save_checkpoint(tmp_path, large, tensors)
    weights = footprint(large, LIBRARY, Form.BFLOAT16).whole / 1e6

    output = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path], capture_output=True, text=True, check=True
    ).stdout

    before, after, most = map(float, re.findall(r"[\d.]+", output))
    assert weights > 50
    assert after - before < 1.2 * weights + 40  # the code of the libraries, and buffers
    assert most - after < 20


def packed_logits(checkpoint: Checkpoint, form: Form, ids: list[int]) -> Tensor:
    assert LIBRARY is not None
    model = KernelModel(checkpoint.config, checkpoint, library=LIBRARY, form=form, threads=1)
    (logits,) = model.step([Work(cache=model.new_cache(), ids=ids, wants_logits=True)])
    assert logits is not None
    return logits


def damage(folder: Path, name: str, change: Callable[[Tensor], object]) -> None:
    stored = load_file(folder / "model.safetensors")
    change(stored[name])
    save_file(stored, folder / "model.safetensors")
