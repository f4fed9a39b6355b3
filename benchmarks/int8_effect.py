"""Measure what int8 for the matrices outside the experts does to a model's logits, beside bfloat16 as published.

    python benchmarks/int8_effect.py CHECKPOINT [--ids 256]

Both are run in the kernels on the same random ids, each id as decoding would see it. Told are the error of the logits
relative to their spread, how often the likeliest id is the same, and the divergence of the distributions in nats.
"""

import argparse
import random

import torch
from torch import Tensor

from ostinato.engine.batch import Work
from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.kernels.library import Form, best_library
from ostinato.engine.kernels.model import KernelModel


def logits(folder: str, form: Form, ids: list[int]) -> Tensor:
    """Return the logits after each id, [ids, V]."""
    checkpoint, library = Checkpoint.open(folder), best_library()
    assert library is not None, "the compiled kernels were not built"
    model = KernelModel(checkpoint.config, checkpoint, library=library, form=form)
    cache = model.new_cache()
    rows = [model.step([Work(cache=cache, ids=[number], wants_logits=True)])[0] for number in ids]
    model.close()
    return torch.stack([row for row in rows if row is not None])


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--ids", type=int, default=256)
    options = parser.parse_args()
    vocabulary = Checkpoint.open(options.checkpoint).config.vocab_size
    ids = random.Random(0).choices(range(vocabulary), k=options.ids)
    exact, rounded = (logits(options.checkpoint, form, ids) for form in (Form.BFLOAT16, Form.INT8))
    error = (rounded - exact).std(dim=-1) / exact.std(dim=-1)
    same = (rounded.argmax(dim=-1) == exact.argmax(dim=-1)).float().mean()
    first, second = exact.log_softmax(dim=-1), rounded.log_softmax(dim=-1)
    divergence = (first.exp() * (first - second)).sum(dim=-1)
    print(f"error of the logits: median {error.median():.2%} of their spread, worst {error.max():.2%}")
    print(f"the likeliest id is the same: {same:.1%}")
    print(f"divergence: median {divergence.median():.1e} nats, worst {divergence.max():.1e}")


main()
