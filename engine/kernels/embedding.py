"""Embedding: what each id is to the first layer.

A token needs one row of a matrix that is a tenth of gpt-oss-20b. A large one stays in its file, and the system keeps
what was read of it in memory, as long as nothing else needs that.
"""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# V vocabulary, D model, T tokens

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ostinato.engine.kernels.loader import FLOATS, Loader
from ostinato.engine.tensor_file import StoredTensor

SMALL = 2**26  # bytes that are kept in memory


class Embedding:
    """The rows of the embedding, in memory up to `most_resident` bytes, else in the file; `load` it first."""

    def __init__(self, stored_VD: StoredTensor, *, most_resident: int = SMALL) -> None:
        self._stored = stored_VD
        self._row_bytes = stored_VD.num_bytes // stored_VD.shape[0]
        is_resident = stored_VD.num_bytes <= most_resident
        self._content = np.empty((stored_VD.shape[0], self._row_bytes), dtype=np.uint8) if is_resident else None

    def load(self, loader: Loader) -> None:
        """Let the numbers be read and looked over, also if they are not kept."""
        loader.copy(self._stored, self._content)

    def rows(self, ids: Sequence[int]) -> NDArray[np.uint16]:
        """Return the rows of ids as the bits of bfloat16, [T, D].

        Raises:
            CheckpointError: if the file cannot be read any more.
        """
        if self._content is not None:
            return self._bits(self._content[np.array(ids, dtype=np.int64)])
        content = np.empty((len(ids), self._row_bytes), dtype=np.uint8)
        for row, number in zip(content, ids, strict=True):
            self._stored.file.read_into(row.data, self._stored.begin + number * self._row_bytes)
        return self._bits(content)

    def _bits(self, content: NDArray[np.uint8]) -> NDArray[np.uint16]:
        if self._stored.dtype == "BF16":
            return content.view(np.uint16)
        numbers_TD = torch.from_numpy(content).view(FLOATS[self._stored.dtype]).to(torch.bfloat16)
        return np.asarray(numbers_TD.view(torch.uint16).numpy(), dtype=np.uint16)
