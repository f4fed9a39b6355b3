"""Two optimisers for two kinds of weight: Muon for matrices that transform, Adam for the rest.

Muon (https://kellerjordan.github.io/posts/muon) replaces a matrix's momentum by the nearest orthogonal matrix, so that
all directions move at one speed. It fits output projections and experts; queries, keys, values, the router, embeddings
and the unembedding learn better with Adam (arXiv 1412.6980).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

MUON_NAMES = ("o_proj.weight", "experts.gate_up_proj", "experts.down_proj")
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; weights are [..., rows, columns]."""

    def __init__(self, weights: list[Tensor], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is ever given
        """Move every weight once."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                direction = weight.grad.lerp(state["momentum"], group["momentum"])
                scale = max(1.0, weight.shape[-2] / weight.shape[-1]) ** 0.5
                weight.add_(orthogonalised(direction), alpha=-group["lr"] * scale)


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return roughly U·Vᵀ of the singular value decomposition, by Newton-Schulz iteration; works on batches."""
    a, b, c = NEWTON_SCHULZ
    is_tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if is_tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.mT if is_tall else x
    return result


def make_optimisers(
    weights: Mapping[str, Tensor], *, adam_lr: float, muon_lr: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Give each weight to the optimiser that suits it."""
    matrices = [weight for name, weight in weights.items() if name.endswith(MUON_NAMES)]
    others = [weight for name, weight in weights.items() if not name.endswith(MUON_NAMES)]
    return torch.optim.Adam(others, lr=adam_lr, betas=(0.9, 0.98), eps=1e-9), Muon(matrices, lr=muon_lr)
