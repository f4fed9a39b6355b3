"""The python tool: what the model is told of it, and of what came of its code."""

import pytest

from ostinato.sandbox import Outcome
from ostinato.tools.python import NO_OUTPUT, outcome_text, unwrapped


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome(stdout="1\n2\n"), "1\n2"),
        (Outcome(result="42"), "42"),
        (Outcome(stdout="a", stderr="b\n", result="c", error="Traceback\nd\n"), "a\nb\nc\nTraceback\nd"),
        (Outcome(notices=("timed out after 1 s", "variables are kept")), "[timed out after 1 s]\n[variables are kept]"),
        (Outcome(stdout="  x\n\n"), "  x"),
        (Outcome(), NO_OUTPUT),
        (Outcome(stdout="\n\n"), NO_OUTPUT),
    ],
)
def test_the_parts_of_an_outcome_follow_each_other_on_lines_of_their_own(outcome: Outcome, text: str) -> None:
    assert outcome_text(outcome) == text


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("print(1)", "print(1)"),
        ('{"code": "print(1)"}', "print(1)"),
        ('  {"code": "a = 1\nprint(a)"}\n', "a = 1\nprint(a)"),
        ('{"code": 1}', '{"code": 1}'),
        ('{"code": "1", "x": 2}', '{"code": "1", "x": 2}'),
        ('{"code": x}', '{"code": x}'),
        ("{1, 2}", "{1, 2}"),
        ('{"code":' * 100_000, '{"code":' * 100_000),
        ("", ""),
    ],
)
def test_code_wrapped_in_json_is_unwrapped_and_all_other_code_left_alone(content: str, code: str) -> None:
    assert unwrapped(content) == code
