"""Write a trained model as the package ships it: `python -m ostinato.training.export runs/nano engine/nano/weights`.

The layout is the official one, with MXFP4 experts, so that any program that runs gpt-oss can load it.
"""

import argparse
import shutil
from pathlib import Path

import torch

from ostinato.engine.checkpoint import save_checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.training.model import Weights, nano_config


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m ostinato.training.export", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("folder", type=Path, help="where to write the checkpoint")
    arguments = parser.parse_args()
    export(arguments.run, arguments.folder)


def export(run: Path, folder: Path) -> None:
    """Write the checkpoint and the vocabulary of a run into `folder`."""
    weights: Weights = torch.load(run / "checkpoint.pt", weights_only=True)["weights"]
    save_checkpoint(folder, shape_of(weights), weights)
    shutil.copyfile(run / "vocabulary.json", folder / "vocabulary.json")


def shape_of(weights: Weights) -> ModelConfig:
    """Read the shape of the model off its tensors."""
    vocab_size, hidden_size = weights["model.embed_tokens.weight"].shape
    layers = sum(name.endswith(".self_attn.sinks") for name in weights)
    experts = len(weights["model.layers.0.mlp.router.bias"])
    return nano_config(vocab_size, hidden_size=hidden_size, layers=layers, experts=experts)


if __name__ == "__main__":
    main()
