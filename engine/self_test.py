"""The self-test: what the compiled kernels compute on this processor, against the slow reference.

A library that was built for another processor, or miscompiled, may run and be wrong. So before one is used it reads a
few tokens with a tiny model of random weights (`sound_library`), and a thorough test takes every way of computing
(`findings`). The weights come from raw random bits, the same on every machine. Every token prefers its own experts by
far, so that no rounding makes it ask others, and the reference is given the dense weights as the form under test holds
them: what remains is the kernels' own error, that of keys, values and long prompts' activations in bfloat16.
"""

# ruff: noqa: N803, N806  (tensor names carry their shape)
# T tokens, V vocabulary, R rows, I inputs, E experts

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from ostinato.engine import reference
from ostinato.engine.batch import Work
from ostinato.engine.checkpoint import Checkpoint, save_checkpoint
from ostinato.engine.config import ModelConfig, Rope, alternating
from ostinato.engine.kernels.library import Form, Library, libraries
from ostinato.engine.kernels.model import KernelModel
from ostinato.engine.layouts import tensor_shapes
from ostinato.engine.mxfp4 import GROUP

BOUND = 0.015  # of a row of logits: the length of the difference over that of the reference's
_SCALE = 124  # of experts, so that what they add is of the size of what they are asked
FORMS = (Form.BFLOAT16, Form.INT8)
_CACHE_TOKENS = 1024
_EXACT_IDS = 16  # ids up to which a piece is read as precisely as decoded

SMALL = ModelConfig(
    vocab_size=50,
    hidden_size=96,
    intermediate_size=96,
    num_query_heads=4,
    num_kv_heads=2,
    head_dim=32,
    num_experts=4,
    experts_per_token=2,
    layer_types=alternating(2),
    context_length=512,
    sliding_window=20,
    rope=Rope(factor=8.0, initial_context_length=128),
)
_CONFIGS = {
    "sliding and full attention": replace(SMALL, layer_types=alternating(4)),
    "sliding attention": replace(SMALL, layer_types=("sliding_attention",), sliding_window=70),
    "full attention": replace(SMALL, layer_types=("full_attention",)),
    "heads as in gpt-oss": replace(SMALL, num_query_heads=16, head_dim=64),
    "sixteen queries a key": replace(SMALL, num_query_heads=32),
    "four experts of sixteen": replace(SMALL, num_experts=16, experts_per_token=4),
    "whole panels": replace(SMALL, vocab_size=128, hidden_size=128, intermediate_size=64),
}
_WIDE = replace(
    SMALL,
    hidden_size=2880,
    intermediate_size=2880,
    num_query_heads=64,
    num_kv_heads=8,
    head_dim=64,
    num_experts=2,
    layer_types=("full_attention",),
)
_PIECES = {
    "one token at a time": [1] * 12,
    "few tokens": [2, 3, 4, 5, 7, 16],
    "a long prompt": [150],
    "long and short pieces": [17, 1, 33, 2, 64, 1, 1],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A way of computing: in each step, how many ids each sequence sees. `rows` are the logits asked for, None all."""

    what: str
    config: ModelConfig
    steps: Sequence[Sequence[int]]
    rows: Sequence[int] | None = None
    threads: int = 1


_QUICK = Case(what="a short conversation", config=SMALL, steps=[[33], [9], [1], [1]])
CASES = [
    *(
        Case(what=f"{name}, {how}", config=config, steps=[[count] for count in pieces])
        for name, config in _CONFIGS.items()
        for how, pieces in _PIECES.items()
    ),
    Case(what="the widths of gpt-oss", config=_WIDE, steps=[[18], [4], [1], [1]], threads=2),
    Case(
        what="many sequences in a step",
        config=SMALL,
        steps=[[1, 2, 5, 16, 17, 40, 90], [1] * 7, [3, 1, 17, 1, 1, 1, 1]],
        threads=2,
    ),
    Case(what="a few rows of the head", config=SMALL, steps=[[8], [1], [20]], rows=range(1, 50, 3)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one way of computing: the worst relative error of a row of logits."""

    what: str
    form: Form
    error: float

    @property
    def is_sound(self) -> bool:
        """Whether the error is within BOUND; no number at all is not."""
        return self.error <= BOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The library to compute with, None if there is none, and what is wrong with those before it."""

    library: Library | None
    refused: tuple[str, ...] = ()


def sound_library(form: Form, candidates: Iterable[Library] | None = None) -> Choice:
    """Return the first library (of those this processor can run, the best first) that computes correctly in a form."""
    refused: list[str] = []
    for library in libraries().values() if candidates is None else candidates:
        complaint = _complaint(library, form)
        if complaint is None:
            return Choice(library=library, refused=tuple(refused))
        refused.append(complaint)
    return Choice(library=None, refused=tuple(refused))


def quick_finding(library: Library, form: Form) -> Finding:
    """Read a prompt, a short piece and single tokens with a tiny model, in some milliseconds."""
    return _finding(library, form, _QUICK)


def findings(library: Library) -> Iterator[Finding]:
    """Take every way of computing, in both forms: some seconds."""
    for form in FORMS:
        for case in CASES:
            yield _finding(library, form, case)


@cache
def _complaint(library: Library, form: Form) -> str | None:
    """Say what is wrong with a library; None if nothing is."""
    finding = quick_finding(library, form)
    if finding.is_sound:
        return None
    return (
        f"the compiled kernels for {library.kind} compute wrong numbers on this processor "
        f"({form.name.lower()} weights: off by {finding.error:.1%}, allowed is {BOUND:.1%}) and are not used; "
        "install Ostinato again on this machine"
    )


def _finding(library: Library, form: Form, case: Case) -> Finding:
    """Compare the logits after each piece of each sequence."""
    tensors = random_weights(case.config)
    with _one_thread():
        wanted_RV = _wanted(case, _as_held(tensors, form))
        found_RV = _computed(library, form, case, tensors)
    errors_R = torch.linalg.vector_norm(found_RV - wanted_RV, dim=-1) / torch.linalg.vector_norm(wanted_RV, dim=-1)
    error = float(errors_R.max())
    return Finding(what=case.what, form=form, error=error if math.isfinite(error) else math.inf)


def _computed(library: Library, form: Form, case: Case, tensors: Mapping[str, Tensor]) -> Tensor:
    with _checkpoint(case.config, tensors) as checkpoint:
        model = KernelModel(
            case.config, checkpoint, library=library, form=form, threads=case.threads, cache_tokens=_CACHE_TOKENS
        )
        try:
            return _found(case, model)
        finally:
            model.close()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: on a busy machine more would wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _checkpoint(config: ModelConfig, tensors: Mapping[str, Tensor]) -> Iterator[Checkpoint]:
    with TemporaryDirectory(prefix="ostinato-self-test-") as folder:
        save_checkpoint(folder, config, tensors)
        yield Checkpoint.open(folder)


def _wanted(case: Case, tensors: Mapping[str, Tensor]) -> Tensor:
    totals = [sum(counts) for counts in zip(*case.steps, strict=True)]
    logits = [
        reference.forward(case.config, tensors, _sequence(case, number, total)) for number, total in enumerate(totals)
    ]
    ends = np.cumsum(case.steps, axis=0) - 1
    rows_RV = torch.stack([logits[number][end] for step in ends for number, end in enumerate(step)])
    return rows_RV if case.rows is None else rows_RV[:, case.rows]


def _found(case: Case, model: KernelModel) -> Tensor:
    caches = [model.new_cache() for _ in case.steps[0]]
    rows: list[Tensor | None] = []
    for counts in case.steps:
        pieces = [
            _sequence(case, number, cache.length + count)[cache.length :]
            for number, (cache, count) in enumerate(zip(caches, counts, strict=True))
        ]
        rows += model.step(
            [
                Work(cache=cache, ids=ids, wants_logits=True, rows=case.rows, is_exact=len(ids) <= _EXACT_IDS)
                for cache, ids in zip(caches, pieces, strict=True)
            ]
        )
    return torch.stack([row for row in rows if row is not None])


def _sequence(case: Case, number: int, length: int) -> list[int]:
    return random_ids(length, case.config, skip=17 * number)


def random_ids(count: int, config: ModelConfig, *, skip: int = 0) -> list[int]:
    """Return ids in no order, the same everywhere."""
    raw = np.random.PCG64(7).random_raw(count + skip)[skip:]
    return [int(number) for number in raw % config.vocab_size]


def random_weights(config: ModelConfig) -> dict[str, Tensor]:
    """Return weights by their Hugging Face names, the same everywhere: bfloat16, and MXFP4 experts."""
    bits = np.random.PCG64(1)
    tensors = {name: _random(bits, name, shape) for name, shape in tensor_shapes(config, is_packed=True).items()}
    _let_tokens_prefer_experts(config, tensors)
    return tensors


def _random(bits: np.random.PCG64, name: str, shape: tuple[int, ...]) -> Tensor:
    count = math.prod(shape)
    raw = torch.from_numpy(bits.random_raw(-(-count // 8)).view(np.uint8)[:count].copy()).view(shape)
    if name.endswith("_blocks"):
        return raw
    if name.endswith("_scales"):
        return raw % 3 + (_SCALE - round(math.log2(shape[-1] * GROUP) / 2))  # the wider, the smaller
    numbers = (raw.float() - 127.5) / 128
    if name.endswith("norm.weight"):
        return (1 + numbers / 4).bfloat16()
    return ((2 * shape[-1] ** -0.5 if len(shape) > 1 else 1) * numbers).bfloat16()


def _let_tokens_prefer_experts(config: ModelConfig, tensors: dict[str, Tensor]) -> None:
    """Mark in a token's embedding which experts it is for, let nothing write over it, and the routers look there."""
    count = config.num_experts
    embedding_VD = tensors["model.embed_tokens.weight"]
    embedding_VD *= config.hidden_size**0.5 / 2
    embedding_VD[:, :count] = 0
    for token in range(config.vocab_size):
        for place in range(config.experts_per_token):
            embedding_VD[token, (token + place) % count] = 12.0
    for name, tensor in tensors.items():
        if name.endswith(("o_proj.weight", "o_proj.bias")):
            tensor[:count] = 0
        elif name.endswith(("down_proj_blocks", "down_proj_bias")):
            tensor[:, :count] = 0
        elif name.endswith("router.weight"):
            tensor.copy_(tensor / 2 + 2 * torch.eye(*tensor.shape))


def _as_held(tensors: Mapping[str, Tensor], form: Form) -> dict[str, Tensor]:
    """Return the weights as the kernels hold them: the dense ones rounded to int8 where that is the form."""
    if form is not Form.INT8:
        return dict(tensors)
    return {name: _rounded(tensor) if _is_dense(name) else tensor for name, tensor in tensors.items()}


def _is_dense(name: str) -> bool:
    return name.endswith("_proj.weight") or name == "lm_head.weight"


def _rounded(weight_RI: Tensor) -> Tensor:
    scale_R1 = weight_RI.float().abs().amax(dim=-1, keepdim=True).clamp(min=1e-9) / 127
    return (weight_RI.float() / scale_R1).round() * scale_R1
