"""Cells without a sandbox around them: what is returned and how errors read."""

import pytest

from ostinato.sandbox.worker import run_cell


def test_statements_run_and_a_last_expression_is_returned() -> None:
    namespace: dict[str, object] = {}

    assert run_cell("x = 20\nx += 1\nx * 2", namespace, 1) == ("42", None)
    assert namespace["x"] == 21
    assert namespace["_"] == 42


@pytest.mark.parametrize("source", ["", "# nothing", "x = 1", "None", "x = 1; None", "import sys; sys.exit()"])
def test_cells_without_a_value_return_nothing(source: str) -> None:
    assert run_cell(source, {}, 1) == (None, None)


def test_none_leaves_the_underscore_alone() -> None:
    namespace: dict[str, object] = {}
    run_cell("5", namespace, 1)
    run_cell("None", namespace, 2)

    assert namespace["_"] == 5


def test_library_frames_are_named_from_their_package_on() -> None:
    _, error = run_cell("import json\njson.loads('{')", {}, 3)

    assert error is not None
    lines = error.splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        '  File "<cell 3>", line 2, in <module>',
        "    json.loads('{')",
    ]
    assert lines[3].startswith('  File "json/__init__.py", line ')
    assert (
        lines[-1]
        == "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    )


def test_both_errors_of_a_chain_are_shown() -> None:
    _, error = run_cell("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e", {}, 1)

    assert error == (
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 2, in <module>\n'
        "    1 / 0\n"
        "ZeroDivisionError: division by zero\n"
        "\n"
        "The above exception was the direct cause of the following exception:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "<cell 1>", line 4, in <module>\n'
        "    raise KeyError('k') from e\n"
        "KeyError: 'k'"
    )


def test_a_syntax_error_shows_the_place() -> None:
    assert run_cell("x = = 1", {}, 2) == (
        None,
        '  File "<cell 2>", line 1\n    x = = 1\n        ^\nSyntaxError: invalid syntax',
    )


@pytest.mark.parametrize("source", ["!pip install numpy", "%matplotlib inline"])
def test_notebook_commands_are_answered_with_an_explanation(source: str) -> None:
    _, error = run_cell(source, {}, 1)

    assert str(error).splitlines()[-1].startswith("note: lines that start with ! or % are notebook commands")


def test_exit_codes_are_errors_unless_they_are_zero() -> None:
    assert run_cell("raise SystemExit(0)", {}, 1) == (None, None)
    assert str(run_cell("raise SystemExit('bye')", {}, 1)[1]).endswith("SystemExit: bye")


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def __repr__(self): raise OSError('no')\nA()",
        "class E(Exception):\n    def __str__(self): raise E\nraise E",
        "raise BaseException('base')",
        "def f(): f()\nf()",
        "a\0b",
        "(" * 5000,
    ],
)
def test_whatever_happens_is_an_error_text(source: str) -> None:
    result, error = run_cell(source, {}, 1)

    assert result is None
    assert error
