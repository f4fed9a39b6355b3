"""Write the turns of a scripted model as harmony text: for tests, of this package and of those who build on it."""

from ostinato.engine.scripted import ScriptedEngine
from ostinato.harmony import Tokenizer


def scripted_engine(*turns: str, tokenizer: Tokenizer | None = None) -> ScriptedEngine:
    """Make an engine that says these turns, one for each generation.

    A turn is what the model samples after `<|start|>assistant`, special tokens by their names:

        scripted_engine(
            "<|channel|>analysis to=python code<|message|>print(6 * 7)<|call|>",
            "<|channel|>final<|message|>42<|return|>",
        )
    """
    return ScriptedEngine([harmony_ids(turn, tokenizer) for turn in turns])


def harmony_ids(text: str, tokenizer: Tokenizer | None = None) -> list[int]:
    """Encode harmony text, in which the name of a special token is that token."""
    return (tokenizer or Tokenizer.o200k_harmony()).encode(text, allowed_special="all")
