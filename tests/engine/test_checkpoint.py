import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ostinato.engine import CheckpointError, mxfp4
from ostinato.engine.checkpoint import Checkpoint, save_checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.layouts import tensor_shapes
from ostinato.engine.torch_engine import TorchEngine


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_saved_checkpoint_holds_the_tensors_in_bfloat16_and_mxfp4(
    config: ModelConfig, tensors: Mapping[str, Tensor], folder: Path
) -> None:
    checkpoint = Checkpoint.open(folder)
    experts = "model.layers.0.mlp.experts.gate_up_proj"

    assert checkpoint.config == config
    assert set(checkpoint) == set(tensor_shapes(config, is_packed=True))
    assert torch.equal(checkpoint["lm_head.weight"], tensors["lm_head.weight"].bfloat16())
    values = mxfp4.dequantize(checkpoint[f"{experts}_blocks"], checkpoint[f"{experts}_scales"])
    assert torch.equal(values, mxfp4.dequantize(*mxfp4.quantize(tensors[experts].transpose(1, 2))))


def test_saving_what_was_opened_changes_nothing(config: ModelConfig, folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, config, Checkpoint.open(folder))

    before, after = Checkpoint.open(folder), Checkpoint.open(tmp_path)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["config.json", "model.safetensors"]


def test_packed_experts_can_be_saved_plain(config: ModelConfig, folder: Path, tmp_path: Path) -> None:
    packed = Checkpoint.open(folder)
    save_checkpoint(tmp_path, config, packed, is_packed=False)

    name = "model.layers.1.mlp.experts.down_proj"
    values = mxfp4.dequantize(packed[f"{name}_blocks"], packed[f"{name}_scales"])
    assert torch.equal(Checkpoint.open(tmp_path)[name].float(), values.transpose(1, 2))


def test_shards_with_an_index_are_one_checkpoint(folder: Path, copy: Path) -> None:
    shard(copy)

    whole, sharded = Checkpoint.open(folder), Checkpoint.open(copy)

    assert all(torch.equal(whole[name], sharded[name]) for name in whole)


def test_what_is_read_is_reported(folder: Path) -> None:
    checkpoint = Checkpoint.open(folder)
    told: list[tuple[int, int]] = []

    with checkpoint.reporting(lambda done, total: told.append((done, total)), checkpoint.num_bytes):
        for name in checkpoint:
            checkpoint[name]
    checkpoint["lm_head.weight"]

    assert checkpoint.num_bytes == sum(tensor.nbytes for tensor in load_file(folder / "model.safetensors").values())
    assert told[-1] == (checkpoint.num_bytes, checkpoint.num_bytes)
    assert told == sorted(told)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no folder '.*nowhere'; give one that holds config.json"):
        Checkpoint.open(tmp_path / "nowhere")


def test_a_missing_config_is_named(copy: Path) -> None:
    (copy / "config.json").unlink()

    with pytest.raises(CheckpointError, match=r"cannot read .*config.json: No such file"):
        Checkpoint.open(copy)


def test_missing_weights_are_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()

    with pytest.raises(CheckpointError, match=r"no \*.safetensors file in .*copy"):
        Checkpoint.open(copy)


def test_a_missing_shard_is_named(copy: Path) -> None:
    shard(copy)
    (copy / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(CheckpointError, match=r"no file .*model-00002-of-00002.safetensors, which the index names"):
        Checkpoint.open(copy)


@pytest.mark.parametrize("content", ["[]", '{"weight_map": {"a": 1, "b": "c"}}', '{"weight_map": {"a": null}}'])
def test_a_broken_index_is_named(content: str, copy: Path) -> None:
    (copy / "model.safetensors.index.json").write_text(content)

    with pytest.raises(CheckpointError, match=r"index.json is no index of weight files"):
        Checkpoint.open(copy)


@pytest.mark.parametrize("kept", [0, 4, 100, -1], ids=["empty", "no header", "part of the header", "a byte short"])
def test_a_truncated_file_is_named(kept: int, copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged or cut short"):
        Checkpoint.open(copy)


def test_a_corrupt_file_is_named(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"\xff" * 1000)

    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged or cut short"):
        Checkpoint.open(copy)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda raw: b"\0" * len(raw), "holds nothing but zeros; copy the checkpoint again"),
        (
            lambda raw: raw[:100] + b"\xff" * 50 + raw[150:],
            "holds numbers that are not finite; copy the checkpoint again",
        ),
    ],
    ids=["never written", "overwritten"],
)
def test_a_file_of_the_right_size_with_damaged_weights_is_refused(
    damage: Callable[[bytes], bytes], complaint: str, copy: Path
) -> None:
    path = copy / "model.safetensors"
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    begin, end = json.loads(whole[8:header])["lm_head.weight"]["data_offsets"]
    begin, end = header + begin, header + end
    path.write_bytes(whole[:begin] + damage(whole[begin:end]) + whole[end:])

    with pytest.raises(CheckpointError, match=f"lm_head.weight {complaint}"):
        TorchEngine.open(copy)


def test_a_missing_tensor_is_named(copy: Path) -> None:
    change(copy, lambda stored: stored.pop("model.layers.1.self_attn.sinks"))

    with pytest.raises(CheckpointError, match=r"holds no tensor 'model.layers.1.self_attn.sinks'"):
        Checkpoint.open(copy)


def test_a_tensor_of_another_shape_is_named(copy: Path) -> None:
    change(copy, lambda stored: stored.update({"model.norm.weight": torch.zeros(65, dtype=torch.bfloat16)}))

    with pytest.raises(CheckpointError, match=r"model.norm.weight has shape \[65\], config.json asks for \[64\]"):
        Checkpoint.open(copy)


def test_a_tensor_of_another_type_is_named(copy: Path) -> None:
    change(copy, lambda stored: stored.update({"model.norm.weight": torch.zeros(64, dtype=torch.int32)}))

    with pytest.raises(CheckpointError, match=r"model.norm.weight holds I32 numbers; it must hold BF16 or F16 or F32"):
        Checkpoint.open(copy)


def test_another_architecture_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 64}))

    with pytest.raises(CheckpointError, match=r"config.json: model_type is 'llama'; only 'gpt_oss' can be run"):
        Checkpoint.open(copy)


def test_every_error_is_one_line(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"")

    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(copy)

    assert "\n" not in str(caught.value)


def test_saving_names_a_missing_tensor(config: ModelConfig, tensors: Mapping[str, Tensor], tmp_path: Path) -> None:
    incomplete = {name: tensor for name, tensor in tensors.items() if name != "model.norm.weight"}

    with pytest.raises(CheckpointError, match=r"no tensor 'model.norm.weight' to save"):
        save_checkpoint(tmp_path / "new", config, incomplete)

    assert not (tmp_path / "new").exists()


def test_saving_names_a_tensor_of_another_shape(
    config: ModelConfig, tensors: Mapping[str, Tensor], tmp_path: Path
) -> None:
    with pytest.raises(
        CheckpointError, match=r"embed_tokens.weight has shape \[97, 64\]; the config asks for \[98, 64\]"
    ):
        save_checkpoint(tmp_path, replace(config, vocab_size=98), tensors)


def test_saving_names_experts_that_cannot_be_packed(
    config: ModelConfig, make_tensors: Callable[[ModelConfig], dict[str, Tensor]], tmp_path: Path
) -> None:
    narrow = replace(config, intermediate_size=24)

    with pytest.raises(CheckpointError, match=r"down_proj: cannot split 24 inputs .*; save it with is_packed=False"):
        save_checkpoint(tmp_path, narrow, make_tensors(narrow))


def change(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    stored = load_file(folder / "model.safetensors")
    edit(stored)
    save_file(stored, folder / "model.safetensors")


def shard(folder: Path) -> None:
    """Split the weights over two files with an index."""
    stored = load_file(folder / "model.safetensors")
    names = sorted(stored)
    weight_map = {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: stored[name] for name in part}, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
