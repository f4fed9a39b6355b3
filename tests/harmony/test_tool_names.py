"""Every tool gets a name that the model can write and that leads back to it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.harmony.tool_names import safe_names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("get_weather", "get_weather"),
        ("getWeather2", "getWeather2"),
        ("_", "_"),
        ("get-weather", "get_weather"),
        ("files.read", "files_read"),
        ("web search", "web_search"),
        ("2nd try", "_2nd_try"),
        ("suche_für_alle", "suche_fr_alle"),
        ("检索", "tool"),
        ("٣", "tool"),
        ("", "tool"),
        ("a\nb", "ab"),
        ("mcp:github/list-issues", "mcpgithublist_issues"),
        ("<|call|>", "call"),
    ],
)
def test_a_name_becomes_the_identifier_nearest_to_it(name: str, safe: str) -> None:
    assert safe_names([name]) == {name: safe}


def test_names_that_clash_are_numbered_in_their_order() -> None:
    assert safe_names(["a-b", "a.b", "a b", "检索", "搜索"]) == {
        "a-b": "a_b",
        "a.b": "a_b_2",
        "a b": "a_b_3",
        "检索": "tool",
        "搜索": "tool_2",
    }


def test_a_name_that_needs_no_change_keeps_its_own_wherever_it_stands() -> None:
    assert safe_names(["a-b", "a_b", "a_b_2", "a.b"]) == {
        "a-b": "a_b_3",
        "a_b": "a_b",
        "a_b_2": "a_b_2",
        "a.b": "a_b_4",
    }


@given(st.lists(st.text(max_size=8) | st.sampled_from(["a-b", "a_b", "a b", "a_b_2", "1", "_1"]), max_size=8))
def test_the_map_can_be_read_backwards(names: list[str]) -> None:
    safe = safe_names(iter(names))

    assert list(safe) == list(dict.fromkeys(names))
    assert len(set(safe.values())) == len(safe)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in safe.values())
    assert all(safe[name] == name for name in names if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name))
