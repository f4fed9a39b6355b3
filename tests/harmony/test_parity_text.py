"""Preambles as openai-harmony writes them: 1.4 system, 1.5 developer, 1.6 tools, 1.7 schemas.

Each fault of the library's schemas is pinned in parity mode, and shown right in our own.
"""

from typing import Any

import pytest
from tests.harmony.conftest import their_conversation

from ostinato.harmony import (
    DeveloperContent,
    Message,
    ReasoningEffort,
    RecipientPosition,
    SchemaMode,
    SystemContent,
    Tokenizer,
    ToolDescription,
    ToolNamespace,
    render,
)

F = ToolDescription(name="f", description="")
FUNCTIONS = ToolNamespace(name="functions", tools=(F,))


def written(messages: list[Message], tokenizer: Tokenizer, mode: SchemaMode) -> str:
    ids = render(messages, tokenizer, next_role=None, recipient_position=RecipientPosition.ROLE, schema_mode=mode)
    return tokenizer.decode(ids)


def agreed(messages: list[Message], tokenizer: Tokenizer, library: Any) -> str:
    """Return what both we and the library write."""
    text = written(messages, tokenizer, SchemaMode.PARITY)
    assert text == library.encoding.decode(library.encoding.render_conversation(their_conversation(messages)))
    return text


def body(text: str) -> str:
    return text.split("<|message|>", 1)[1].removesuffix("<|end|>")


CHANNELS = "# Valid channels: analysis, commentary, final. Channel must be included for every message."
CALLS = "\nCalls to these tools must go to the commentary channel: 'functions'."
SYSTEMS: dict[str, tuple[SystemContent, str]] = {
    "the defaults": (
        SystemContent(),
        "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n\n"
        f"Reasoning: medium\n\n{CHANNELS}",
    ),
    "a date": (
        SystemContent(current_date="2025-08-05", knowledge_cutoff=None, model_identity="I"),
        f"I\nCurrent date: 2025-08-05\n\nReasoning: medium\n\n{CHANNELS}",
    ),
    "channels that are not required": (
        SystemContent(
            model_identity=None, knowledge_cutoff=None, reasoning_effort=ReasoningEffort.LOW,
            valid_channels=("a", "b"), channel_required=False,
        ),
        "Reasoning: low\n\n# Valid channels: a, b.",
    ),
    "nothing": (
        SystemContent(model_identity=None, knowledge_cutoff=None, reasoning_effort=None, valid_channels=()),
        "",
    ),
    "empty texts": (
        SystemContent(model_identity="", knowledge_cutoff="", reasoning_effort=None, valid_channels=("",)),
        "\nKnowledge cutoff: \n\n# Valid channels: . Channel must be included for every message.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEMS)
def test_1_4_the_system_message_is_written_as_by_the_library(name: str, tokenizer: Tokenizer, library: Any) -> None:
    content, expected = SYSTEMS[name]

    assert body(agreed([Message.system(content)], tokenizer, library)) == expected


@pytest.mark.parametrize(
    ("namespaces", "is_told"),
    [
        ((FUNCTIONS,), True),
        ((ToolNamespace(name="functions"),), False),
        ((ToolNamespace(name="x", tools=(F,)),), False),
    ],
    ids=["functions", "no functions", "another namespace"],
)
def test_1_4_only_functions_of_the_developer_bring_the_line_on_calls(
    namespaces: tuple[ToolNamespace, ...], is_told: bool, tokenizer: Tokenizer, library: Any
) -> None:
    in_developer = [Message.system(SystemContent()), Message.developer(DeveloperContent(tools=namespaces))]
    in_system = [Message.system(SystemContent(tools=namespaces))]
    without_channels = [Message.system(SystemContent(valid_channels=())), in_developer[1]]

    assert (CALLS in agreed(in_developer, tokenizer, library)) == is_told
    assert CALLS not in agreed(in_system, tokenizer, library)
    assert CALLS not in agreed(without_channels, tokenizer, library)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (DeveloperContent(instructions="Rhyme."), "# Instructions\n\nRhyme."),
        (DeveloperContent(instructions=""), "# Instructions\n\n"),
        (DeveloperContent(), ""),
        (
            DeveloperContent(instructions="a", tools=(ToolNamespace(name="x"),)),
            "# Instructions\n\na\n\n# Tools\n\n## x\n",
        ),
    ],
    ids=["instructions", "empty instructions", "nothing", "tools"],
)
def test_1_5_the_developer_message_is_written_as_by_the_library(
    content: DeveloperContent, expected: str, tokenizer: Tokenizer, library: Any
) -> None:
    assert body(agreed([Message.developer(content)], tokenizer, library)) == expected


def tools_text(tokenizer: Tokenizer, library: Any, *namespaces: ToolNamespace) -> str:
    text = body(agreed([Message.developer(DeveloperContent(tools=namespaces))], tokenizer, library))
    return text.removeprefix("# Tools\n\n")


def test_1_6_namespaces_stand_in_the_order_of_their_names(tokenizer: Tokenizer, library: Any) -> None:
    names = ["b", "a", "B", "é", "z", "\U0001f600", "\uffff"]

    text = tools_text(tokenizer, library, *(ToolNamespace(name=name) for name in names))

    assert [line[3:] for line in text.split("\n") if line] == ["B", "a", "b", "z", "é", "\uffff", "\U0001f600"]


LINES = "one\r\ntwo\n\nthree\n"


def test_1_6_a_description_is_a_comment_where_there_are_tools(tokenizer: Tokenizer, library: Any) -> None:
    tool = ToolDescription(name="f", description=LINES)
    comment = "// one\n// two\n// \n// three\n"

    described = tools_text(tokenizer, library, ToolNamespace(name="x", description=LINES, tools=(tool,)))
    free = tools_text(tokenizer, library, ToolNamespace(name="x", description=LINES))

    assert described == f"## x\n\n{comment}namespace x {{\n\n{comment}type f = () => any;\n\n}} // namespace x"
    assert free == "## x\n\none\ntwo\n\nthree"


def test_1_6_a_tool_without_a_description_has_no_comment(tokenizer: Tokenizer, library: Any) -> None:
    takes_an_object = ToolDescription(name="g", description="", parameters={"type": "object"})

    assert tools_text(tokenizer, library, ToolNamespace(name="x", tools=(F, takes_an_object))) == (
        "## x\n\nnamespace x {\n\ntype f = () => any;\n\ntype g = (_: {\n}) => any;\n\n} // namespace x"
    )


@pytest.mark.parametrize("name", ["browser", "python"])
@pytest.mark.parametrize("mode", SchemaMode)
def test_1_6_the_librarys_own_tools_are_written_the_same_in_both_modes(
    name: str, mode: SchemaMode, tokenizer: Tokenizer, library: Any
) -> None:
    messages = [Message.system(SystemContent(tools=(library.namespace(name),)))]

    assert written(messages, tokenizer, mode) == agreed(messages, tokenizer, library)


def of_x(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}, **more}


STRING, NUMBER, NULL = {"type": "string"}, {"type": "number"}, {"type": "null"}
NESTED = {"type": "object", "description": "nested", "properties": {"y": STRING}}
QUIRKS: dict[str, tuple[Any, str, str]] = {
    # the schema, what the library writes, what we write
    "enums in lists lack parentheses": (
        of_x({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}),
        '{\nx?: "a" | "b"[],\n}', '{\nx?: ("a" | "b")[],\n}',
    ),
    "unions in lists lack parentheses": (
        of_x({"type": "array", "items": {"type": ["string", "integer"]}}),
        "{\nx?: string | number[],\n}", "{\nx?: (string | number)[],\n}",
    ),
    "a second line of a description is no comment": (
        of_x({"type": "string", "description": "one\ntwo"}),
        "{\n// one\ntwo\nx?: string,\n}", "{\n// one\n// two\nx?: string,\n}",
    ),
    "the description of a nested object stands twice": (
        of_x(NESTED),
        "{\n// nested\nx?:     // nested\n{\n    y?: string,\n    },\n}",
        "{\n// nested\nx?: {\n    y?: string,\n    },\n}",
    ),
    "a comment after the last variant swallows the rest of the line": (
        {"oneOf": [STRING, {"type": "integer", "nullable": True, "description": "n", "default": 3}]},
        "\n | string\n | number | null // n default: 3", "\n | string\n | number | null // n default: 3\n",
    ),
    "keys are never quoted": (of_x({"type": "object", "properties": {"my-key": {}}}),
        "{\nx?: {\n    my-key?: any,\n    },\n}", '{\nx?: {\n    "my-key"?: any,\n    },\n}'),
    "texts are not escaped": (
        of_x({"type": "string", "enum": ['a"b', "c\nd"], "default": 'a"b'}),
        '{\nx?: "a"b" | "c\nd", // default: a"b\n}', '{\nx?: "a\\"b" | "c\\nd", // default: "a\\"b"\n}',
    ),
    "examples are not escaped, and only strings": (
        of_x({"type": "string", "examples": ["a\nb", 1]}),
        '{\n// Examples:\n// - "a\nb"\nx?: string,\n}', '{\n// Examples:\n// - "a\\nb"\n// - 1\nx?: string,\n}',
    ),
    "numbers as examples leave their heading": (
        of_x({"type": "number", "examples": [1]}),
        "{\n// Examples:\nx?: number,\n}", "{\n// Examples:\n// - 1\nx?: number,\n}",
    ),
    "anyOf is lost": (
        of_x({"anyOf": [STRING, NULL], "default": None}),
        "{\nx?: any, // default: null\n}", "{\nx?: string | null, // default: null\n}",
    ),
    "allOf is lost": (of_x({"allOf": [STRING]}), "{\nx?: any,\n}", "{\nx?: string,\n}"),
    "references are lost": (
        of_x({"$ref": "#/$defs/A"}, **{"$defs": {"A": STRING}}), "{\nx?: any,\n}", "{\nx?: string,\n}",
    ),
    "constants are lost": (of_x({"const": "a"}), "{\nx?: any,\n}", '{\nx?: "a",\n}'),
    "enums without a type are lost": (of_x({"enum": ["a"]}), "{\nx?: any,\n}", '{\nx?: "a",\n}'),
    "enums of numbers are lost": (
        of_x({"type": "integer", "enum": [1, 2]}), "{\nx?: number,\n}", "{\nx?: 1 | 2,\n}",
    ),
    "members that are no strings are lost": (
        of_x({"type": "string", "enum": ["a", 1]}), '{\nx?: "a",\n}', '{\nx?: "a" | 1,\n}',
    ),
    "null is no type": (of_x(NULL), "{\nx?: any,\n}", "{\nx?: null,\n}"),
    "a type among others says nothing of its items": (
        of_x({"type": ["array", "null"], "items": STRING}), "{\nx?: array | null,\n}", "{\nx?: string[] | null,\n}",
    ),
    "oneOf that is no list drops description and default": (
        of_x({"type": "string", "oneOf": {}, "description": "d", "default": "a"}),
        "{\nx?: string,\n}", '{\n// d\nx?: string, // default: "a"\n}',
    ),
    "null in a type's text keeps null from being said": (
        of_x({"type": "string", "enum": ["null"], "nullable": True}), '{\nx?: "null",\n}', '{\nx?: "null" | null,\n}',
    ),
    "null is not said of items": (
        of_x({"type": "array", "items": {**STRING, "nullable": True}}),
        "{\nx?: string[],\n}", "{\nx?: (string | null)[],\n}",
    ),
    "a default of a variant of the parameters is quoted": (
        {"oneOf": [{"type": "string", "enum": ["a", "b"], "default": "a"}, NUMBER]},
        '\n | "a" | "b" // default: "a"\n | number', '\n | "a" | "b" // default: a\n | number\n',
    ),
    "dictionaries are lost": (
        of_x({"type": "object", "additionalProperties": NUMBER}),
        "{\nx?: {\n    },\n}", "{\nx?: Record<string, number>,\n}",
    ),
    "limits are lost": (
        of_x({"type": "integer", "minimum": 1, "default": 2}),
        "{\nx?: number, // default: 2\n}", "{\nx?: number, // minimum: 1, default: 2\n}",
    ),
}  # fmt: skip
KEPT: dict[str, tuple[Any, str]] = {
    "integers beyond 64 bits": (of_x({"type": "integer", "default": 2**64}), "1.8446744073709552e19"),
    "integers of 64 bits": (of_x({"type": "integer", "default": 2**64 - 1}), "18446744073709551615"),
    "integers far below zero": (of_x({"type": "integer", "default": -(2**63) - 1}), "-9.223372036854776e18"),
    "integers near the end of floats": (of_x({"type": "integer", "default": 10**308}), "1e308"),
}


@pytest.mark.parametrize("name", QUIRKS)
def test_1_7_a_fault_of_the_library_is_kept_in_parity_and_mended_in_our_own(
    name: str, tokenizer: Tokenizer, library: Any
) -> None:
    schema, theirs, ours = QUIRKS[name]
    function = ToolDescription(name="f", description="", parameters=schema)
    messages = [Message.developer(DeveloperContent(tools=(ToolNamespace(name="functions", tools=(function,)),)))]

    assert f"type f = (_: {theirs}) => any;" in agreed(messages, tokenizer, library)
    assert f"type f = (_: {ours}) => any;" in written(messages, tokenizer, SchemaMode.FIXED)


@pytest.mark.parametrize("name", KEPT)
def test_1_7_numbers_are_written_in_parity_as_the_library_writes_them(
    name: str, tokenizer: Tokenizer, library: Any
) -> None:
    schema, number = KEPT[name]
    function = ToolDescription(name="f", description="", parameters=schema)
    messages = [Message.developer(DeveloperContent(tools=(ToolNamespace(name="functions", tools=(function,)),)))]

    assert f"x?: number, // default: {number}\n" in agreed(messages, tokenizer, library)
    assert f"x?: number, // default: {schema['properties']['x']['default']}\n" in written(
        messages, tokenizer, SchemaMode.FIXED
    )


@pytest.mark.parametrize(
    "wrap", [lambda s: {"type": "array", "items": s}, lambda s: {"properties": {"a": s}, "type": "object"}]
)
def test_1_7_a_schema_is_read_as_deep_as_the_library_reads_it(wrap: Any, tokenizer: Tokenizer, library: Any) -> None:
    schema: Any = STRING
    deepest = None
    for _ in range(120):
        schema = wrap(schema)
        function = ToolDescription(name="f", description="", parameters=schema)
        messages = [Message.developer(DeveloperContent(tools=(ToolNamespace(name="functions", tools=(function,)),)))]
        try:
            library.encoding.render_conversation(their_conversation(messages))
        except ValueError:
            break
        deepest = messages

    assert deepest is not None
    assert "string" in agreed(deepest, tokenizer, library)
