"""ExpertStore: the experts of a model that does not fit the memory, as many of them as there are places.

Before a layer's experts are multiplied, the kernels ask for those that its router chose. What is not there is read from
the checkpoint and packed where the one stood that was used longest ago: a token tends to ask what others asked before.
A prompt asks nearly all experts of every layer, one layer after the other. What is needed last is then what was used
last, so it is the newest that goes.
"""

import os
from collections import OrderedDict
from collections.abc import Collection, Sequence
from itertools import islice

import numpy as np

from ostinato.engine.checkpoint import Checkpoint
from ostinato.engine.kernels.footprint import expert_bytes
from ostinato.engine.kernels.library import Fetch, Library
from ostinato.engine.kernels.loader import Piece, Reader, expert_piece
from ostinato.engine.kernels.memory import Arena

_Key = tuple[int, int]  # layer, expert


class ExpertStore:
    """Places for experts in an arena; `gate_up` and `down` are where their first and their second matrices begin.

    `table` says where the experts of each layer stand, and `hits` and `misses` count what was asked for and was there,
    and what had to be read.
    """

    def __init__(self, checkpoint: Checkpoint, library: Library, arena: Arena, *, places: int) -> None:
        config = checkpoint.config
        self.places = places
        self.table = np.zeros((config.num_layers, config.num_experts), dtype=np.int32)
        self.hits = self.misses = 0
        self.fetch = Fetch(self._fetch)
        self._checkpoint, self._library = checkpoint, library
        self._sizes = expert_bytes(config, library)
        self.gate_up, self.down = (arena.take(places * size) for size in self._sizes)
        self._held: OrderedDict[_Key, int] = OrderedDict()  # their places, the one used longest ago first
        self._free = list(range(places))
        self._reader = Reader(os.cpu_count() or 1)
        self._error: Exception | None = None

    def check(self) -> None:
        """Raise what kept experts from being read since the last time: the step has then computed nonsense.

        Raises:
            CheckpointError: if a file could not be read, or holds numbers that cannot be weights.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """End the threads that read."""
        self._reader.close()

    def _fetch(self, layer: int, experts: Sequence[int], count: int) -> None:
        """Answer the kernels, which no exception can pass."""
        try:
            self._bring(layer, sorted({experts[index] for index in range(count)}))
        except Exception as error:
            self._error = self._error or error

    def _bring(self, layer: int, experts: Collection[int]) -> None:
        wanted = {(layer, expert) for expert in experts}
        missing = [(layer, expert) for expert in experts if (layer, expert) not in self._held]
        for key in wanted.intersection(self._held):
            self._held.move_to_end(key)
        self.hits += len(wanted) - len(missing)
        self.misses += len(missing)
        self._make_room(len(missing), wanted)
        places = [self._free.pop() for _ in missing]
        try:
            self._read(
                [piece for key, place in zip(missing, places, strict=True) for piece in self._pieces(key, place)]
            )
        except BaseException:
            self._free += places
            raise
        for key, place in zip(missing, places, strict=True):
            self._held[key] = self.table[key] = place

    def _make_room(self, count: int, wanted: Collection[_Key]) -> None:
        is_prompt = 2 * len(wanted) > self.table.shape[1]
        in_order = reversed(self._held) if is_prompt else iter(self._held)
        victims = (key for key in in_order if key not in wanted)
        for key in list(islice(victims, max(0, count - len(self._free)))):
            self._free.append(self._held.pop(key))

    def _pieces(self, key: _Key, place: int) -> list[Piece]:
        layer, expert = key
        prefix = f"model.layers.{layer}.mlp.experts"
        pieces = []
        for name, begin, size in zip(
            ("gate_up_proj", "down_proj"), (self.gate_up, self.down), self._sizes, strict=True
        ):
            blocks, scales = (self._checkpoint.stored(f"{prefix}.{name}_{part}") for part in ("blocks", "scales"))
            address = begin + place * size
            pieces.append(expert_piece(self._library, blocks, scales, expert=expert, address=address))
        return pieces

    def _read(self, pieces: list[Piece]) -> None:
        for _ in self._reader.load(pieces):
            pass
