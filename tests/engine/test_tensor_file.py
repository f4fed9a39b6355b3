"""Safetensors files, read by ourselves: what the library writes is read, and what is no such file is refused."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from ostinato.engine.interface import CheckpointError
from ostinato.engine.tensor_file import StoredTensor, TensorFile

TENSORS = {
    "bytes": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "halves": np.linspace(-1, 1, 10, dtype=np.float16).reshape(5, 2),
    "none": np.zeros((0, 7), dtype=np.float32),
    "wide": np.array([1.5, -2.5], dtype=np.float32),
}
HEADER = {
    "a": {"dtype": "BF16", "shape": [3, 2], "data_offsets": [0, 12]},
    "b": {"dtype": "U8", "shape": [8], "data_offsets": [12, 20]},
    "__metadata__": {"format": "pt"},
}
BODY = bytes(range(20))


def test_tensors_are_read_as_they_were_saved(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors", metadata={"format": "pt"})

    file = TensorFile(tmp_path / "x.safetensors")

    assert set(file) == set(TENSORS)
    for name, array in TENSORS.items():
        assert file[name].shape == array.shape
        assert read(file[name]) == array.tobytes()


def test_some_rows_are_read_without_the_others(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors")
    file = TensorFile(tmp_path / "x.safetensors")

    middle, beyond = file["halves"].rows(1, 3), file["halves"].rows(3, 10)

    assert (middle.shape, beyond.shape) == ((2, 2), (2, 2))
    assert read(middle) == TENSORS["halves"][1:3].tobytes()
    assert read(beyond) == TENSORS["halves"][3:].tobytes()


def test_what_was_read_is_told(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors")
    file = TensorFile(tmp_path / "x.safetensors")
    told: list[int] = []
    file.on_read = told.append

    read(file["bytes"])
    read(file["wide"])

    assert told == [24, 8]


def test_a_file_that_is_cut_after_it_was_opened_is_named(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors")
    file = TensorFile(tmp_path / "x.safetensors")
    os.truncate(tmp_path / "x.safetensors", 30)

    with pytest.raises(CheckpointError, match=r"x.safetensors is damaged or cut short \(it ends before byte"):
        read(file["wide"])


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is no file; copy the checkpoint again"):
        TensorFile(tmp_path)


@pytest.mark.parametrize("name", ["gone.safetensors", "file/within", "\0", "x" * 300])
def test_a_file_that_cannot_be_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CheckpointError, match=r"^(no file|cannot read|'.*' is no name)"):
        TensorFile(tmp_path / name)


def entry(**changes: object) -> Callable[[dict[str, object]], None]:
    def change(header: dict[str, object]) -> None:
        a = header["a"]
        assert isinstance(a, dict)
        a.update(changes)

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (entry(dtype=7), "does not describe 'a'"),
        (entry(dtype="F32"), "'a' has 12 bytes, which are not its F32 numbers"),
        (entry(shape=[3, 2, 2]), "'a' has 12 bytes, which are not its BF16 numbers"),
        (entry(shape=[3, -2]), "does not describe 'a'"),
        (entry(shape=[3, True]), "does not describe 'a'"),
        (entry(shape=[3, 2.0]), "does not describe 'a'"),
        (entry(shape=[1] * 9), "does not describe 'a'"),
        (entry(shape="32"), "does not describe 'a'"),
        (entry(data_offsets=[0]), "does not describe 'a'"),
        (entry(data_offsets=[12, 0]), "'a' would lie at bytes 12 to 0 of 20"),
        (entry(data_offsets=[12, 24]), "'a' would lie at bytes 12 to 24 of 20"),
        (entry(data_offsets=[10**4000, 10**4000 + 12]), "'a' would lie at bytes 1000"),
        (entry(shape=[8], data_offsets=[0, 16]), "'b' begins at byte 12, the tensor before it ends at 16"),
        (lambda header: header.pop("a"), "'b' begins at byte 12, the tensor before it ends at 0"),
        (lambda header: header.pop("b"), "its tensors end at byte 12 of 20"),
        (lambda header: header.update(a=None), "does not describe 'a'"),
    ],
)
def test_a_header_that_lies_is_refused(
    change: Callable[[dict[str, object]], None], complaint: str, tmp_path: Path
) -> None:
    header = copy.deepcopy(HEADER)
    change(header)  # type: ignore[arg-type]

    with pytest.raises(CheckpointError, match=f"x.safetensors is damaged or cut short .*{complaint}"):
        TensorFile(written(tmp_path, json.dumps(header).encode()))


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b"[]", "its header is no object"),
        (b"{}", "its tensors end at byte 0 of 20"),
        (b"[" * 100_000, "its header is not JSON"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "its header is not JSON"),
        (b'{"\xff": 1}', "its header is not JSON"),
        (b'{"a": {}, "a": {}}', "its header is not JSON"),
    ],
)
def test_a_header_that_is_none_is_refused(header: bytes, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"x.safetensors is damaged or cut short .*{complaint}"):
        TensorFile(written(tmp_path, header))


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"{}", length=2**63)

    with pytest.raises(CheckpointError, match=r"its header would have 9223372036854775808 bytes, the file has 30"):
        TensorFile(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=5,
)
small = st.integers(0, 24)


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Headers that are nearly right: entries with changed fields, in any order, or anything at all."""
    fields: dict[str, object] = copy.deepcopy(HEADER)  # type: ignore[arg-type]
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["a", "b", "c", "__metadata__"]))
        value = fields.get(name)
        if isinstance(value, dict) and draw(st.booleans()):
            field = draw(st.sampled_from(["dtype", "shape", "data_offsets", "extra"]))
            pairs, types = st.lists(small, max_size=3), st.sampled_from(["U8", "BF16", "F32", "I64", "F4", "?"])
            fields[name] = value | {field: draw(types | pairs | pairs | json_values)}
        else:
            fields[name] = draw(json_values)
    text = json.dumps(fields).encode()
    cut = draw(st.none() | st.integers(0, len(text)))
    return text if cut is None else text[:cut] + draw(st.binary(max_size=4)) + text[cut + draw(st.integers(0, 3)) :]


@settings(max_examples=150, deadline=None)
@given(headers(), st.none() | st.integers(0, 2**64 - 1), st.binary(max_size=24) | st.just(BODY))
def test_any_header_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, length: int | None, body: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = written(folder, header, length=length, body=body)
    try:
        file = TensorFile(path)
    except CheckpointError as error:
        message = str(error)
        assert message.startswith(f"{path} is damaged or cut short (")
        assert "\n" not in message
        return
    assert sum(read_size(tensor) for tensor in file.values() if tensor.dtype in ("U8", "BF16", "F32")) <= len(body)


@settings(max_examples=150, deadline=None)
@given(headers())
def test_what_the_formats_own_library_reads_is_read_alike(
    tmp_path_factory: pytest.TempPathFactory, header: bytes
) -> None:
    path = written(tmp_path_factory.getbasetemp(), header)
    try:
        with safe_open(path, framework="numpy") as theirs:
            shapes = {name: theirs.get_slice(name).get_shape() for name in theirs.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError):
        return
    assert {name: list(tensor.shape) for name, tensor in TensorFile(path).items()} == shapes
    if all(tensor.dtype in ("U8", "F32", "I64") for tensor in TensorFile(path).values()):
        assert {name: array.tobytes() for name, array in load_file(path).items()} == {
            name: read(tensor) for name, tensor in TensorFile(path).items()
        }


def written(folder: Path, header: bytes, *, length: int | None = None, body: bytes = BODY) -> Path:
    path = folder / "x.safetensors"
    path.write_bytes((len(header) if length is None else length).to_bytes(8, "little") + header + body)
    return path


def read(tensor: StoredTensor) -> bytes:
    content = bytearray(tensor.num_bytes)
    tensor.read_into(memoryview(content))
    return bytes(content)


def read_size(tensor: StoredTensor) -> int:
    return len(read(tensor))
