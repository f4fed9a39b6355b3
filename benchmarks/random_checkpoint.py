"""Write a checkpoint of random weights in the true shape of gpt-oss-20b or -120b, in the official layout.

    python benchmarks/random_checkpoint.py FOLDER [--model 20b|120b] [--layers N] [--seed N]

It computes what the real one would at the same speed, and says nothing that means anything. 20b takes 12.8 GB.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ostinato.engine.checkpoint import QUANTIZATION
from ostinato.engine.config import ModelConfig, Rope, alternating
from ostinato.engine.layouts import tensor_shapes

GPT_OSS_20B = ModelConfig(
    vocab_size=201_088,
    hidden_size=2880,
    intermediate_size=2880,
    num_query_heads=64,
    num_kv_heads=8,
    head_dim=64,
    num_experts=32,
    experts_per_token=4,
    layer_types=alternating(24),
    context_length=131_072,
    sliding_window=128,
    rope=Rope(),
)
MODELS = {"20b": GPT_OSS_20B, "120b": replace(GPT_OSS_20B, num_experts=128, layer_types=alternating(36))}


def random_tensors(config: ModelConfig, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Make the tensors one by one, so scaled that activations keep their size from layer to layer."""
    generator = torch.Generator().manual_seed(seed)
    for name, shape in tensor_shapes(config, is_packed=True).items():
        if name.endswith("_blocks"):
            yield name, torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        elif name.endswith("_scales"):
            yield name, torch.randint(119, 122, shape, dtype=torch.uint8, generator=generator)
        elif name.endswith("norm.weight"):
            yield name, torch.ones(shape, dtype=torch.bfloat16)
        else:
            scale = shape[-1] ** -0.5 if len(shape) > 1 else 0.02
            yield name, torch.randn(shape, dtype=torch.bfloat16, generator=generator) * scale


def write(folder: Path, config: ModelConfig, seed: int) -> None:
    """Write the tensors in one file a layer, and the index that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    holders: dict[str, str] = {}
    shard: dict[str, Tensor] = {}

    def flush() -> None:
        name = f"model-{len(set(holders.values())):05}.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        holders.update(dict.fromkeys(shard, name))
        print(f"{folder / name}: {sum(tensor.nbytes for tensor in shard.values()) / 1e9:.2f} GB", flush=True)
        shard.clear()

    layer = ""
    for name, tensor in random_tensors(config, seed):
        now = name.split(".")[2] if ".layers." in name else name
        if shard and now != layer:
            flush()
        layer = now
        shard[name] = tensor
    flush()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": holders}))
    fields = config.to_fields() | {"quantization_config": QUANTIZATION}
    (folder / "config.json").write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=MODELS, default="20b")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    config = MODELS[options.model]
    if options.layers is not None:
        config = replace(config, layer_types=alternating(options.layers))
    write(options.folder, config, options.seed)


if __name__ == "__main__":
    main()
