"""The mixture of experts: a router picks a few experts per token, and their answers are added up.

Three forms with the same result. *Dense* runs every expert as one wide matrix and mutes those not chosen: fastest where
a layer's experts fit a cache. *Sparse* visits the chosen experts. *Packed* is sparse over MXFP4 weights that are
dequantised on use, for models that would not fit in memory otherwise.
"""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# T tokens, D model, E experts, C chosen experts, I intermediate, N tokens of one expert

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ostinato.engine import mxfp4
from ostinato.engine.config import ModelConfig

ExpertForm = Literal["dense", "sparse", "packed"]
Tensors = Mapping[str, Tensor]

_DENSE_LIMIT = 2**18  # weights in a layer's experts, about a second-level cache
_UNPACK_LIMIT = 2**29  # weights in all experts: 2 GiB in float32


def fitting_form(config: ModelConfig, *, is_packed: bool) -> ExpertForm:
    """Choose the form by the model's size; `is_packed` says that the checkpoint's experts are MXFP4."""
    per_layer = 3 * config.num_experts * config.intermediate_size * config.hidden_size
    if per_layer <= _DENSE_LIMIT:
        return "dense"
    return "packed" if is_packed and per_layer * config.num_layers > _UNPACK_LIMIT else "sparse"


class Experts(Protocol):
    """One layer's experts."""

    def __call__(self, x_TD: Tensor) -> Tensor:
        """Return the chosen experts' answers, added up by weight, [T, D]."""


def build(config: ModelConfig, tensors: Tensors, *, form: ExpertForm, dtype: torch.dtype) -> Experts:
    """Build one layer's experts from the tensors of its `mlp`."""
    router = Router(config, tensors)
    stacks = [_stack(tensors, name, dtype=dtype, form=form) for name in ("gate_up_proj", "down_proj")]
    biases = [tensors[f"experts.{name}_bias"] for name in ("gate_up_proj", "down_proj")]
    if form == "dense":
        gate_up_EID, down_EDI = (torch.stack([stack[e] for e in range(config.num_experts)]) for stack in stacks)
        return DenseExperts(config, router, (gate_up_EID, down_EDI), (biases[0], biases[1]))
    return SparseExperts(config, router, (stacks[0], stacks[1]), (biases[0], biases[1]))


class Router:
    """Picks the experts of each token."""

    def __init__(self, config: ModelConfig, tensors: Tensors) -> None:
        self._weight, self._bias = tensors["router.weight"], tensors["router.bias"]
        self._num_chosen = config.experts_per_token

    def __call__(self, x_TD: Tensor) -> tuple[Tensor, Tensor]:
        """Return the chosen experts' weights, which add up to one, and their numbers, [T, C] each."""
        chosen = functional.linear(x_TD, self._weight, self._bias).topk(self._num_chosen, dim=-1)
        return chosen.values.softmax(dim=-1), chosen.indices


class DenseExperts:
    """Every expert at once, as one wide matrix; those not chosen are multiplied by zero.

    The constants of the gate are folded into the weights: with a the gate's slope, silu(a·gate) · (up + 1) / a is
    gate · sigmoid(a·gate) · (up + 1).
    """

    def __init__(
        self, config: ModelConfig, router: Router, weights: tuple[Tensor, Tensor], biases: tuple[Tensor, Tensor]
    ) -> None:
        gate_up_EID, down_EDI = weights
        slope = config.swiglu_alpha
        self._config, self._router = config, router
        self._gate_limit = slope * config.swiglu_limit
        self._up_limits = 1 - config.swiglu_limit, 1 + config.swiglu_limit
        gate_then_up = torch.cat((slope * gate_up_EID[:, 0::2], gate_up_EID[:, 1::2])).flatten(0, 1)
        self._gate_up_weight = gate_then_up.T.contiguous()  # input-major is the faster way round for one token
        self._gate_up_bias = torch.cat((slope * biases[0][:, 0::2], biases[0][:, 1::2] + 1)).flatten()
        self._down_weight_ID = (down_EDI / slope).transpose(1, 2).flatten(0, 1).contiguous()
        self._down_bias_ED = biases[1]

    def __call__(self, x_TD: Tensor) -> Tensor:
        """Return the chosen experts' answers, added up by weight, [T, D]."""
        num_tokens, num_experts = x_TD.shape[0], self._config.num_experts
        weights_TC, chosen_TC = self._router(x_TD)
        weights_TE = x_TD.new_zeros(num_tokens, num_experts).scatter_(1, chosen_TC, weights_TC)
        gate, up = torch.addmm(self._gate_up_bias, x_TD, self._gate_up_weight).chunk(2, dim=-1)
        activated = functional.silu(gate.clamp_(max=self._gate_limit)).mul_(up.clamp_(*self._up_limits))
        activated_TEI = activated.view(num_tokens, num_experts, -1).mul_(weights_TE[..., None])
        return torch.addmm(weights_TE @ self._down_bias_ED, activated_TEI.flatten(1), self._down_weight_ID)


class Stack(Protocol):
    """The matrices of all experts; a Tensor [experts, outputs, inputs] is one."""

    def __getitem__(self, expert: int, /) -> Tensor:
        """Return one expert's matrix, [outputs, inputs]."""


class PackedStack:
    """The matrices of all experts in MXFP4, dequantised one at a time."""

    def __init__(self, blocks: Tensor, scales: Tensor, dtype: torch.dtype) -> None:
        self._blocks, self._scales, self._dtype = blocks, scales, dtype

    def __getitem__(self, expert: int, /) -> Tensor:
        """Return one expert's matrix, [outputs, inputs]."""
        return mxfp4.dequantize(self._blocks[expert], self._scales[expert], dtype=self._dtype)


class SparseExperts:
    """Only the chosen experts, each visited once with the tokens that chose it."""

    def __init__(
        self, config: ModelConfig, router: Router, stacks: tuple[Stack, Stack], biases: tuple[Tensor, Tensor]
    ) -> None:
        self._config, self._router = config, router
        self._gate_up, self._down = stacks
        self._gate_up_bias, self._down_bias = biases

    def __call__(self, x_TD: Tensor) -> Tensor:
        """Return the chosen experts' answers, added up by weight, [T, D]."""
        weights_TC, chosen_TC = self._router(x_TD)
        sum_TD = torch.zeros_like(x_TD)
        for expert in sorted(set(chosen_TC.flatten().tolist())):
            tokens_N, choices_N = torch.where(chosen_TC == expert)
            answers_ND = self._answer(expert, x_TD[tokens_N]) * weights_TC[tokens_N, choices_N, None]
            sum_TD.index_add_(0, tokens_N, answers_ND)
        return sum_TD

    def _answer(self, expert: int, x_ND: Tensor) -> Tensor:
        gate_up = functional.linear(x_ND, self._gate_up[expert], self._gate_up_bias[expert])
        activated_NI = swiglu(self._config, gate_up[:, 0::2], gate_up[:, 1::2])
        return functional.linear(activated_NI, self._down[expert], self._down_bias[expert])


def swiglu(config: ModelConfig, gate: Tensor, up: Tensor) -> Tensor:
    """Apply the clamped gate."""
    gate = gate.clamp(max=config.swiglu_limit)
    up = up.clamp(-config.swiglu_limit, config.swiglu_limit)
    return gate * torch.sigmoid(config.swiglu_alpha * gate) * (up + 1)


def _stack(tensors: Tensors, name: str, *, dtype: torch.dtype, form: ExpertForm) -> Stack:
    """Return the matrices of one projection in the given form, from either form in the checkpoint."""
    if f"experts.{name}_blocks" not in tensors:
        return tensors[f"experts.{name}"].transpose(1, 2)
    blocks, scales = tensors[f"experts.{name}_blocks"], tensors[f"experts.{name}_scales"]
    return PackedStack(blocks, scales, dtype) if form == "packed" else mxfp4.dequantize(blocks, scales, dtype=dtype)
