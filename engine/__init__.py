"""Engines: token ids in, token ids out.

`TorchEngine` lives in `ostinato.engine.torch_engine`, which loads torch; nothing here does.
"""

from ostinato.engine.interface import (
    Allowed,
    CheckpointError,
    Constraint,
    Engine,
    EngineError,
    PromptTooLong,
    Sampling,
    TokenLogprob,
    TokenStream,
    Usage,
)
from ostinato.engine.scripted import ScriptedEngine

__all__ = [
    "Allowed",
    "CheckpointError",
    "Constraint",
    "Engine",
    "EngineError",
    "PromptTooLong",
    "Sampling",
    "ScriptedEngine",
    "TokenLogprob",
    "TokenStream",
    "Usage",
]
