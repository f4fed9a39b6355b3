"""Plan: whether a model fits the memory, whole or with its experts on demand, and what that will mean for its speed."""

import os
import time

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.config import ModelConfig
from ostinato.engine.interface import EngineError
from ostinato.engine.kernels.footprint import Footprint
from ostinato.engine.kernels.loader import Piece, Reader

WORKING = 2**29  # bytes to compute in, and for the keys and values of some thousand tokens
_SPARED = 2**30  # bytes left besides where experts take what there is: long steps, longer contexts, other programs
_PROBES = 4
_ADVICE = "close other programs, take a smaller model, or use a machine with more memory"
_LIKELY = 0.8  # of the experts asked for found in memory, as an example


def check_room(needed: int, available: int) -> None:
    """Refuse a model before anything is read.

    Raises:
        EngineError: if its weights and what it computes in do not fit.
    """
    if needed + WORKING > available:
        raise EngineError(
            f"the model needs {_gigabytes(needed + WORKING)} of memory and {_gigabytes(available)} are available; "
            f"{_ADVICE}"
        )


def fitting_places(
    config: ModelConfig, counted: Footprint, *, available: int, expert_memory: int | None = None
) -> int | None:
    """Return how many experts may have a place, None for all of them.

    `expert_memory` is the most bytes for experts; None takes what there is, which must hold those that one token asks.

    Raises:
        EngineError: if the memory does not hold even that.
    """
    if expert_memory is None:
        return _all_that_fit(config, counted, available)
    least = config.experts_per_token * counted.expert
    if expert_memory < least:
        raise EngineError(
            f"{_gigabytes(expert_memory)} hold fewer experts than a token asks of a layer; "
            f"give the experts {_gigabytes(least)} or more"
        )
    whole = counted.num_experts * counted.expert
    check_room(counted.fixed + min(expert_memory, whole), available)
    return None if expert_memory >= whole else expert_memory // counted.expert


def _all_that_fit(config: ModelConfig, counted: Footprint, available: int) -> int | None:
    if counted.whole + WORKING <= available:
        return None
    least = config.num_layers * config.experts_per_token
    places = (available - counted.fixed - WORKING - _SPARED) // counted.expert
    if places >= least:
        return places
    needed = counted.fixed + least * counted.expert + _SPARED
    if needed >= counted.whole:
        check_room(counted.whole, available)
    raise EngineError(
        f"the model needs {_gigabytes(counted.whole + WORKING)} of memory, or {_gigabytes(needed + WORKING)} with "
        f"experts read as they are asked, and {_gigabytes(available)} are available; {_ADVICE}"
    )


def forecast(checkpoint: Checkpoint, counted: Footprint, places: int) -> str:
    """Say in one line how fast a model will be whose experts are read on demand, after measuring the disk."""
    config = checkpoint.config
    speed = read_speed(checkpoint)
    asked = config.num_layers * config.experts_per_token * counted.expert
    even = places / counted.num_experts

    def tokens(share: float) -> str:
        rate = speed / (asked * (1 - share))
        return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"

    return (
        f"the memory holds {places} of {counted.num_experts} experts, the others are read when they are asked: the "
        f"disk gives {speed / 1e6:.0f} MB/s, which is about {tokens(even)} tokens/s if all experts are asked alike, "
        f"and {tokens(_LIKELY)} if {_LIKELY:.0%} of those asked are in memory"
    )


def read_speed(checkpoint: Checkpoint) -> float:
    """Measure how many bytes of experts a second come from the disk, not from what the system still has in memory."""
    config = checkpoint.config
    pieces = []
    for probe in range(_PROBES):
        layer, expert = probe * config.num_layers // _PROBES, probe * config.num_experts // _PROBES
        blocks = checkpoint.stored(f"model.layers.{layer}.mlp.experts.gate_up_proj_blocks").rows(expert, expert + 1)
        blocks.forget()
        pieces.append(Piece([blocks], lambda contents: None))
    reader = Reader(os.cpu_count() or 1)
    begin = time.perf_counter()
    for _ in reader.load(pieces):
        pass
    seconds = time.perf_counter() - begin
    reader.close()
    return sum(part.num_bytes for piece in pieces for part in piece.parts) / seconds


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
