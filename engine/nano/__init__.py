"""The embedded model: a very small gpt-oss, trained by `ostinato.training` to drive tools. See MODEL_CARD.md."""

from pathlib import Path


def folder() -> Path:
    """Return the folder of its checkpoint and its vocabulary."""
    return Path(__file__).parent / "weights"
