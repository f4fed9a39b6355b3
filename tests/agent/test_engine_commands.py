"""`ostinato engine …`, as a process: on the embedded model, and on copies of it that are damaged."""

import copy
import ctypes
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ostinato.agent.engine_check import check
from ostinato.agent.settings import Settings
from ostinato.engine.kernels.library import libraries
from ostinato.engine.manifest import FileRecord, Manifest, sha256_of
from ostinato.engine.nano import folder as nano_folder

WEIGHTS = "model.safetensors"
SECONDS = 300
KINDS = list(libraries())
needs_kernels = pytest.mark.skipif(not KINDS, reason="no kernels were built: there was no C++ compiler")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(start: Callable[..., "subprocess.Popen[bytes]"]) -> Run:
    def to_the_end(*arguments: str) -> Ended:
        process = start("engine", *arguments)
        out, err = process.communicate(timeout=SECONDS)
        return Ended(process.returncode, out.decode(), err.decode())

    return to_the_end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the embedded model, as if it had been pulled."""
    folder = tmp_path / "copy"
    shutil.copytree(nano_folder(), folder)
    files = {path.name: FileRecord(size=path.stat().st_size, sha256=sha256_of(path)) for path in folder.iterdir()}
    Manifest(repository="some/one", revision="f" * 40, is_complete=True, files=files).write(folder)
    return folder


@needs_kernels
def test_info_says_what_computes_and_what_a_model_takes(run: Run) -> None:
    ended = run("info")

    assert (ended.code, ended.err) == (0, "")
    assert f"kernels {KINDS[0]}" in ended.out
    assert "used: the fastest that this processor runs" in ended.out
    for shown in (
        "processor",
        "available",
        "GB/s, measured now",
        "4 of width 128",
        "yes, with 4,096 tokens",
        "estimate",
    ):
        assert shown in ended.out
    assert [line for line in ended.out.splitlines() if line != line.rstrip()] == []


@needs_kernels
def test_info_in_json_adds_up(run: Run) -> None:
    fields = json.loads(run("info", "--json").out)

    assert fields["kernels"].keys() >= set(KINDS)
    assert fields["runs_on"] == KINDS[0]
    assert sum(fields["parts_bytes"].values()) == fields["weights_bytes"]
    assert (
        fields["estimated_tokens_per_second"]["0"] <= fields["read_bytes_per_second"] / fields["read_bytes_per_token"]
    )
    assert fields["cache_bytes_per_token"] == 2 * (2 * 2 * 64)  # layers, (keys and values) of 2 bytes, width


@needs_kernels
def test_check_finds_everything_right(run: Run, folder: Path) -> None:
    ended = run("check", str(folder))

    assert (ended.code, ended.err) == (0, "")
    assert f"{KINDS[0]}  right: " in ended.out
    assert "3 right: SHA-256 of some/one at ffffffffffff" in ended.out
    assert "79 right" in ended.out


def test_check_says_where_there_is_nothing_to_compare_with(run: Run) -> None:
    ended = run("check", "--no-kernels")

    assert ended.code == 0
    assert "not compared: nothing says what they should be" in ended.out
    assert "kernels" not in ended.out


def test_check_names_a_file_that_changed(run: Run, folder: Path) -> None:
    content = bytearray((folder / "vocabulary.json").read_bytes())
    content[-3] ^= 1
    (folder / "vocabulary.json").write_bytes(content)

    ended = run("check", str(folder), "--no-kernels")

    assert ended.code == 1
    assert ended.err == f"ostinato: {folder / 'vocabulary.json'} is not what was fetched: its SHA-256 is another\n"
    assert "1 of 3 WRONG" in ended.out


def test_check_names_a_file_that_is_missing_and_one_that_was_cut(run: Run, folder: Path) -> None:
    (folder / "vocabulary.json").write_bytes(b"{}")
    manifest = Manifest.read(folder)
    assert manifest is not None
    more = manifest.files | {"gone.txt": FileRecord(size=1, sha256="0" * 64)}
    manifest.model_copy(update={"files": more}).write(folder)

    ended = run("check", str(folder), "--no-kernels")

    assert ended.code == 1
    assert f"ostinato: {folder / 'gone.txt'} is missing\n" in ended.err
    assert f"ostinato: {folder / 'vocabulary.json'} has 2 bytes and should have " in ended.err


def test_check_names_every_tensor_that_cannot_be_weights(run: Run, folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    names = "model.layers.0.self_attn.q_proj.weight", "model.layers.2.mlp.experts.down_proj_scales"
    tensors[names[0]][3, 5] = torch.nan
    tensors[names[1]][0, 0, 0] = 255
    save_file(tensors, folder / WEIGHTS)
    (folder / "manifest.json").unlink()

    ended = run("check", str(folder), "--no-kernels")

    assert ended.code == 1
    assert "2 of 79 WRONG" in ended.out
    assert all(name in line for name, line in zip(names, sorted(ended.err.splitlines()), strict=True))


def test_check_of_files_that_do_not_belong_together_is_one_line(run: Run, folder: Path) -> None:
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(fields | {"hidden_size": 256}))
    (folder / "manifest.json").unlink()

    ended = run("check", str(folder), "--no-kernels")

    assert ended.code == 1
    assert "config.json asks for" in ended.err
    assert ended.err.count("\n") == 1


@needs_kernels
def test_check_names_kernels_that_compute_wrongly(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    library = libraries()[KINDS[0]]
    bad = copy.copy(library)

    def step(*arguments: object) -> None:
        library.step(*arguments)
        if arguments[6]:  # a few rows of the head
            ctypes.c_float.from_address(arguments[7]).value += 1

    bad.step = step
    code = check("nano", Settings(home=tmp_path), library=bad)

    printed = capsys.readouterr()
    assert code == 1
    assert "WRONG: " in printed.out
    lines = printed.err.splitlines()
    assert len(lines) == 2  # one a form
    assert all(f"kernels {library.kind}: a few rows of the head, " in line for line in lines)


@needs_kernels
def test_bench_measures_every_speed(run: Run) -> None:
    flags = ["--tokens", "8", "--prompt", "40", "--sequences", "3", "--threads", "1"]

    fields = json.loads(run("bench", "--json", *flags).out)
    ended = run("bench", *flags)

    assert (fields["backend"], fields["sequences"], fields["prompt_tokens"]) == (KINDS[0], 3, 40)
    for name in ("decode", "decode_together", "prefill"):
        assert fields[f"{name}_tokens_per_second"] > 0
    assert fields["prefill_tokens_per_second"] == pytest.approx(40 / fields["first_token_seconds"], rel=0.05)
    assert fields["share_of_read_speed"] is None, "caches hold so small a model"
    assert ended.code == 0
    for shown in (f"nano on {KINDS[0]}", "decode, 3 sequences", "prefill of 40", "caches set the pace"):
        assert shown in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["info", "gpt-9"], 2, "no model named 'gpt-9'"),
        (
            ["check", "gpt-oss-20b"],
            2,
            "no model named 'gpt-oss-20b' is here; fetch it with `ostinato pull gpt-oss-20b`",
        ),
        (["bench", "--tokens", "1"], 2, "'1' is not a whole number above 1"),
        (["bench", "--prompt", "5000"], 1, "the context holds 4096 tokens, and 5001 are asked for; ask for fewer"),
        ([], 2, "the following arguments are required: COMMAND; see 'ostinato engine --help'"),
    ],
)
def test_a_mistake_is_told_in_one_line(run: Run, arguments: list[str], code: int, line: str) -> None:
    ended = run(*arguments)

    assert (ended.code, ended.out) == (code, "")
    assert line in ended.err
    assert ended.err.count("\n") == 1
