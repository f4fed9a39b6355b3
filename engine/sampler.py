"""Sampler: from logits to the next id."""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# V vocabulary

import math

import torch
from torch import Tensor

from ostinato.engine.interface import EngineError, Sampling


class Sampler:
    """Chooses ids for one sequence; with a seed, always the same ones."""

    def __init__(self, sampling: Sampling, *, device: torch.device | str = "cpu") -> None:
        self._sampling = sampling
        self._generator = torch.Generator(device)
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)

    @torch.inference_mode()
    def choose(self, logits_V: Tensor) -> int:
        """Choose the next id.

        Raises:
            EngineError: if the logits are no numbers to choose by.
        """
        largest, likeliest = logits_V.max(dim=-1)
        if not math.isfinite(largest):
            raise EngineError("the model computes no finite numbers; its weights are damaged: copy them again")
        if self._sampling.temperature == 0:
            return int(likeliest)
        scaled_V = (logits_V - largest) / self._sampling.temperature
        return self._draw(filtered(scaled_V.softmax(dim=-1), self._sampling))

    def _draw(self, probabilities_V: Tensor) -> int:
        """Draw an id by inverting the cumulative distribution, which costs a tenth of torch.multinomial."""
        cumulative_V = probabilities_V.double().cumsum(dim=-1)
        uniform = torch.rand(1, generator=self._generator, dtype=torch.float64, device=probabilities_V.device)
        return int(torch.searchsorted(cumulative_V, uniform * cumulative_V[-1], right=True))


def filtered(probabilities_V: Tensor, sampling: Sampling) -> Tensor:
    """Set the probabilities that the filters exclude to zero; the rest need not add up to one.

    Applied in the usual order: the `top_k` likeliest, of these the fewest that make up `top_p`, and of these those at
    least `min_p` times as likely as the likeliest (arXiv 2407.01082). The likeliest always stays.
    """
    if sampling.top_k == 0 and sampling.top_p == 1 and sampling.min_p == 0:
        return probabilities_V
    sorted_V, ids_V = probabilities_V.sort(descending=True, stable=True)
    if sampling.top_k > 0:
        sorted_V[sampling.top_k :] = 0
    mass_before_V = sorted_V.cumsum(dim=-1) - sorted_V
    sorted_V[1:][(mass_before_V >= sampling.top_p * sorted_V.sum())[1:]] = 0
    sorted_V[sorted_V < sampling.min_p * sorted_V[0]] = 0
    return torch.zeros_like(probabilities_V).scatter_(0, ids_V, sorted_V)
