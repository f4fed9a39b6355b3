import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ostinato.engine import CheckpointError, EngineError, PromptTooLong, Sampling


def test_the_interface_does_not_load_torch() -> None:
    check = "import sys, ostinato.engine; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_one_base_catches_every_engine_error() -> None:
    assert issubclass(CheckpointError, EngineError)
    assert issubclass(PromptTooLong, EngineError)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", "hot"),
        ("temperature", None),
        ("temperature", True),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("top_k", 2.5),
        ("min_p", 1.5),
        ("repetition_penalty", 0),
        ("repetition_penalty", math.inf),
        ("frequency_penalty", 2.1),
        ("presence_penalty", -2.1),
        ("presence_penalty", math.nan),
        ("logprobs", -1),
        ("logprobs", 21),
        ("logprobs", True),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", 0.5),
        ("max_tokens", -1),
        ("max_tokens", "12"),
        ("logit_bias", [3]),
    ],
)
def test_a_sampling_number_out_of_range_is_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{field} is {value!r}')}; it must be [^\n]+$"):
        Sampling(**{field: value})


@pytest.mark.parametrize(
    ("bias", "complaint"),
    [
        ({-1: 0}, "logit_bias has -1; its keys must be ids, which are 0 or more"),
        ({"42": 1}, "logit_bias has '42'; its keys must be ids, which are 0 or more"),
        ({42: 101}, "logit_bias of 42 is 101; it must be from -100 to 100, or infinite"),
        ({42: math.nan}, "logit_bias of 42 is nan; it must be from -100 to 100, or infinite"),
        ({42: "more"}, "logit_bias of 42 is 'more'; it must be from -100 to 100, or infinite"),
    ],
)
def test_a_bias_that_is_none_is_refused_in_a_line(bias: dict[int, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        Sampling(logit_bias=bias)


def test_a_sampling_keeps_a_bias_of_its_own() -> None:
    bias = {5: 1, np.int64(6): np.float32(2)}
    sampling = Sampling(logit_bias=bias)

    bias.clear()

    assert sampling.logit_bias == {5: 1.0, 6: 2.0}
    assert hash(sampling) == hash(replace(sampling, logit_bias={5: 1.0, 6: 2.0}))
