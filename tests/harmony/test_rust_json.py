"""Numbers in defaults come out of parity mode as they come out of openai-harmony, its inexact reading included."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples

from ostinato.harmony.rust_json import rust_json

CONFIG = {"auto_drop_analysis": True}
LARGEST = 10**300  # the library refuses what is beyond all floats


def as_the_library_writes_it(values: list[Any], library: Any) -> list[str]:
    properties = {f"x{index}": {"default": value} for index, value in enumerate(values)}
    tool = {"name": "f", "description": "", "parameters": {"type": "object", "properties": properties}}
    content = {"type": "developer_content", "tools": {"n": {"name": "n", "tools": [tool]}}}
    text = json.dumps({"messages": [{"role": "developer", "content": [content]}]})
    rendered = library.encoding.decode(library.encoding._inner.render_conversation(text, CONFIG))
    return [line.split("// default: ")[1] for line in rendered.splitlines() if "// default: " in line]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.2056158661982437e29, "1.2056158661982436e29"),
        (2**64, "1.8446744073709552e19"),
        (-(2**63), "-9223372036854775808"),
        (-(2**63) - 1, "-9.223372036854776e18"),
        (1e-5, "0.00001"),
        (-0.0, "-0.0"),
        (5e-324, "5e-324"),
        (1e16, "1e16"),
        ({"a": [1.0, None, "é"]}, '{"a":[1.0,null,"é"]}'),
    ],
    ids=repr,
)
def test_a_value_is_written_as_by_the_library(value: Any, written: str, library: Any) -> None:
    assert [rust_json(value)] == as_the_library_writes_it([value], library) == [written]


numbers = (
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-LARGEST, LARGEST) | st.integers(-(2**70), 2**70)
)


@examples(100)
@given(values=st.lists(numbers, min_size=1, max_size=50))
def test_any_number_is_written_as_by_the_library(values: list[float], library: Any) -> None:
    finite = [value for value in values if abs(value) < 1e308]

    assert [*map(rust_json, finite)] == as_the_library_writes_it(finite, library)
