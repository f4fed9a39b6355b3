import subprocess
import sys

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
    [("temperature", -0.1), ("top_p", 0.0), ("top_p", 1.1), ("top_k", -1), ("min_p", 1.5), ("max_tokens", -1)],
)
def test_a_sampling_number_out_of_range_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{field} is {value!r}; it must be"):
        Sampling(**{field: value})
