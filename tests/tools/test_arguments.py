"""Arguments as gpt-oss really writes them: what is mended, what is not, and what the model is told.

Where a case comes from a public report, its address stands beside it.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.tools import CallRepair, CallRepairKind, FunctionTool, ToolError, ToolRequest, tool
from ostinato.tools.json_mend import objects_in, with_right_brackets, with_right_syntax


@tool
def write_file(path: str, content: str, encoding: str = "utf-8") -> str:
    """Write a file."""
    return json.dumps([path, content, encoding])


@tool
def get_weather(city: str, days: int = 1) -> str:
    """Get the weather."""
    return json.dumps([city, days])


@tool
def shell(command: str) -> str:
    """Run a command."""
    return command


@tool
def apply_patch(input: str) -> str:  # noqa: A002  (the name gpt-oss was trained with)
    """Apply a patch."""
    return input


@tool
def configure(data: dict[str, Any]) -> str:
    """Set what is in `data`."""
    return json.dumps(data)


@tool
def refresh(force: bool = False) -> str:
    """Forget what was read."""
    return str(force)


async def call(function: FunctionTool[..., Any], content: str) -> tuple[str, list[CallRepair]]:
    request = ToolRequest(recipient=function.name, content=content)
    return await function.call(request), request.repairs


REPORTED = [
    # https://github.com/ollama/ollama/issues/17638
    (apply_patch, '{"input":"*** Begin Patch\\n*** End Patch"}]', "*** Begin Patch\n*** End Patch", "brackets"),
    # https://github.com/ollama/ollama/issues/12064
    (
        write_file,
        '{"path":"src/pipe.py","content":"x","encoding":"utf-8"]',
        '["src/pipe.py", "x", "utf-8"]',
        "brackets",
    ),
    # https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/942
    (configure, '{"data":{"sd":{"requests":{"cpu":"100m"}}}', '{"sd": {"requests": {"cpu": "100m"}}}', "brackets"),
    # https://github.com/ollama/ollama/issues/12203
    (get_weather, 'We need to call get_weather. {"city": "Oslo"}', '["Oslo", 1]', "surrounded"),
    # https://github.com/ollama/ollama/issues/12884
    (
        write_file,
        '{"name":"write_file","parameters":{"path":"src/data.ts","content":"// {\\n\\n/** } */"}}',
        '["src/data.ts", "// {\\n\\n/** } */", "utf-8"]',
        "wrapped",
    ),
    # https://github.com/continuedev/continue/issues/10221
    (shell, "ls -R\n", "ls -R\n", "bare_text"),
    # https://github.com/vllm-project/vllm/pull/22386, "asymmetric quotes in dictionaries"
    (get_weather, '{"city: "Oslo", "days": 2}', '["Oslo", 2]', "syntax"),
]


@pytest.mark.parametrize(("function", "written", "result", "kind"), REPORTED)
async def test_what_was_reported_is_mended_and_recorded(
    function: FunctionTool[..., Any], written: str, result: str, kind: str
) -> None:
    answered, repairs = await call(function, written)

    assert answered == result
    assert [(repair.kind, repair.written) for repair in repairs] == [(kind, written)]
    assert isinstance(json.loads(repairs[0].assumed), dict)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ('{"city": "Oslo"', "brackets"),
        ('{"city": "Oslo"}}}', "brackets"),
        ('[{"city": "Oslo"}', "brackets"),
        ('{"city": "Oslo"} is what I want to know', "surrounded"),
        ('```json\n{"city": "Oslo"}\n```', "surrounded"),
        ('{"city": "Oslo"}\n{"city": "Oslo"}', "surrounded"),
        ('We ask for {city}: {"city": "Oslo"}', "surrounded"),
        ('[{"city": "Oslo"}]', "wrapped"),
        ('"{\\"city\\": \\"Oslo\\"}"', "wrapped"),
        ('{"name": "functions.get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}', "wrapped"),
        ('{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}', "wrapped"),
        ('{"arguments": {"city": "Oslo"}}', "wrapped"),
        ('[{"name": "get_weather", "parameters": {"city": "Oslo"}}', "wrapped"),
        ("{'city': 'Oslo'}", "syntax"),
        ('{city: "Oslo"}', "syntax"),
        ('{"city": Oslo}', "syntax"),
        ('{"city: "Oslo"}', "syntax"),
        ('{"city": "Oslo",}', "syntax"),
        ("{“city”: “Oslo”}", "syntax"),
    ],
)
async def test_every_rung_of_the_ladder_reads_the_same_arguments(written: str, kind: str) -> None:
    answered, repairs = await call(get_weather, written)

    assert answered == '["Oslo", 1]'
    assert repairs == [CallRepair(kind=CallRepairKind(kind), written=written, assumed='{"city": "Oslo"}')]


@pytest.mark.parametrize("written", ['{"city": "Oslo"}', ' {"city": "Oslo"}\n'])
async def test_json_is_no_repair(written: str) -> None:
    assert await call(get_weather, written) == ('["Oslo", 1]', [])


@pytest.mark.parametrize(
    "written",
    [
        '{"path": "a.py", "content": "def f():\\n    return {',  # half a file
        '{"path": "a.py", "content": "def f():\\n    return {}',
        '{"path": "a.py", "content": "x = [1, 2]',
        '{"path": "a.py", "content": "x"',  # could be more: "x" + …, so it is only read because the string is closed
        '{"path": "a.py", "content": "print("hi")"}',  # where does the string end?
        '{"path": "a.py", "content": "a", b"}',
        '{"path": "a.py", "content": def f(a, b): pass}',
        '{"path": "a.py", "content": "x" // the text\n}',
        '{"path": "a.py", "content": x',
    ],
)
async def test_a_file_is_never_written_from_text_whose_end_is_a_guess(written: str) -> None:
    if written.endswith('"x"'):
        assert (await call(write_file, written))[0] == '["a.py", "x", "utf-8"]'
        return
    with pytest.raises(ToolError, match=r"the arguments are not JSON: .*; the signature is write_file\(path: str"):
        await call(write_file, written)


@pytest.mark.parametrize(
    "written",
    [
        '{"command": "rm -rf /tmp/x',
        '{"command": "rm -rf /tmp/x" and then',
        "['ls']",
        '`ls`; {"x',
        '{"name": "delete", "parameters": {"command": "ls"}}',  # for another function
        '{"arguments": {"command": "ls"}, "parameters": {"command": "rm"}}',
        '"',
    ],
)
async def test_a_command_is_never_run_from_broken_arguments(written: str) -> None:
    with pytest.raises(ToolError):
        await call(shell, written)


@pytest.mark.parametrize(
    "written", ["{", "}", "{}}", '{"force": true', '{"force": tru', '{"options": {}', "null", "x {}"]
)
async def test_a_function_that_needs_nothing_is_not_called_by_a_fragment(written: str) -> None:
    with pytest.raises(ToolError):
        await call(refresh, written)


async def test_an_object_inside_a_broken_one_is_not_taken_for_the_arguments() -> None:
    with pytest.raises(ToolError):
        await call(get_weather, '{"city": "Rome" "places: [{"city": "Oslo"}')
    with pytest.raises(ToolError):
        await call(get_weather, '"data": {"city": "Oslo"}')


@pytest.mark.parametrize(
    "written",
    [
        '{"city": "Oslo"}, "days": 5}',  # the brace came too early, and what follows belongs to it
        '{"city": "Oslo"} "days": 5}',
        '{"city": "Oslo"}}, days: 5}',
        '{"city": "Oslo"} days: 5}',
        '"city": "Rome", "places": "{"city": "Oslo"}"',  # an object within a string
        'get_weather(city="Rome", place={"city": "Oslo"})',
        'get_weather("Rome", {"city": "Oslo"})',
        'get_weather({"city": "Oslo"}, days=5)',
        """echo '{"city": "Oslo"}'""",
        '{place: "}", there: {"city": "Oslo"}}',  # a bracket within a string closes nothing
        '{place: \'}\', there: {"city": "Oslo"}}',
        '{"place": ]{"city": "Oslo"}}',
        '{"place"}: {"city": "Oslo"}}',
        '{"city": 1}9, "days": [{"city": "Oslo"}]}',
    ],
)
async def test_an_object_that_is_part_of_something_is_not_taken_for_the_arguments(written: str) -> None:
    with pytest.raises(ToolError):
        await call(get_weather, written)


async def test_an_object_that_a_command_writes_is_not_the_command() -> None:
    with pytest.raises(ToolError):
        await call(shell, """echo '{"command": "rm -rf /"}'""")
    with pytest.raises(ToolError):
        await call(shell, json.dumps("{'command': 'ls'"))


@pytest.mark.parametrize(
    "written",
    ['{"data": {a: [}, "force": 1}', '{"data": {{}, a: x}', '{"data": {"a": ["b", "c": "d"}}', "{data: {a: 1}}, b: 2}"],
)
async def test_a_bracket_is_mended_only_at_the_end(written: str) -> None:
    with pytest.raises(ToolError):
        await call(configure, written)


async def test_a_quote_that_closes_one_string_opens_no_other() -> None:
    with pytest.raises(ToolError):
        await call(configure, r'{"data": {"a": ["x\", "y"]]}}')


async def test_every_name_in_an_envelope_is_the_function_s() -> None:
    with pytest.raises(ToolError):
        await call(shell, '{"function": "delete", "name": "shell", "arguments": {"command": "ls"}}')
    with pytest.raises(ToolError):
        await call(shell, '{"function": {"x": 1}, "name": "shell", "arguments": {"command": "ls"}}')


async def test_of_several_objects_that_fit_none_is_taken() -> None:
    with pytest.raises(ToolError, match="the call holds 2 objects with arguments; write one, and nothing else"):
        await call(get_weather, '{"city": "Oslo"} {"city": "Rome"}')


async def test_a_mend_that_does_not_fit_the_function_is_not_made() -> None:
    with pytest.raises(ToolError, match="not JSON"):
        await call(get_weather, '{"town": "Oslo"}]')


async def test_text_for_a_function_of_several_parameters_is_answered_with_the_signature() -> None:
    with pytest.raises(ToolError, match=r"the signature is get_weather\(city: str, days: int = 1\) -> str"):
        await call(get_weather, "Oslo")


async def test_a_json_string_is_the_one_string_of_a_function() -> None:
    assert (await call(shell, '"ls -R"'))[0] == "ls -R"
    assert (await call(shell, '"42"'))[0] == "42"


async def test_an_envelope_may_be_empty_and_nothing_else() -> None:
    assert (await call(refresh, '{"name": "refresh", "arguments": {}}'))[0] == "False"
    with pytest.raises(ToolError):
        await call(refresh, "[{}")


async def test_spaces_that_are_not_json_s_are_no_obstacle() -> None:
    assert (await call(get_weather, '\u202f{"city":\u00a0"Oslo", "days":\u202f2}'))[0] == '["Oslo", 2]'


async def test_arguments_called_as_an_envelope_is_are_left_alone() -> None:
    @tool
    def run(name: str, parameters: dict[str, int]) -> str:
        """Run."""
        return name

    assert await call(run, '{"name": "run", "parameters": {"x": 1}}') == ("run", [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, min_size=1, max_size=4)


@given(OBJECTS, st.integers(0, 400))
def test_of_an_object_that_was_cut_no_string_is_ever_completed(value: dict[str, Any], end: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    whole = set(_strings(value))

    for mend in (with_right_brackets, objects_in, with_right_syntax):
        for reading in mend(text[: min(end, len(text) - 1)]):
            assert set(_strings(reading)) <= whole


@given(OBJECTS, st.text("]} \n", max_size=5))
def test_brackets_at_the_end_are_the_only_thing_that_changes(value: dict[str, Any], trailing: str) -> None:
    text = json.dumps(value, ensure_ascii=False).rstrip("]}")

    for reading in with_right_brackets(text + trailing):
        assert json.dumps(reading, ensure_ascii=False).rstrip("]}") == text


@given(st.text("{}[]:,\"'\\ \nab1", max_size=60))
def test_no_text_makes_a_mend_raise(text: str) -> None:
    for mend in (with_right_brackets, objects_in, with_right_syntax):
        mend(text)


@pytest.mark.parametrize("hostile", ["{", "[", '{"a":', '{"a": "x", ', '"', "{a ", '{"a":1}', '{"a": "x "y" ', "\\"])
async def test_a_long_text_of_nonsense_is_answered(hostile: str) -> None:
    with pytest.raises(ToolError):
        await call(get_weather, hostile * 20_000)


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for member in value.values() for text in _strings(member))]
    if isinstance(value, list):
        return [text for member in value for text in _strings(member)]
    return [value] if isinstance(value, str) else []
