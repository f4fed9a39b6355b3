"""No schema, however deep, cyclic or hostile, raises or grows without bound, and comments never swallow code."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples

from ostinato.harmony import SchemaMode
from ostinato.harmony.tool_schema import parameters
from ostinato.harmony.type_names import TypeNames

Schema = dict[str, Any]


def nested(wrap: Callable[[Any], Any], innermost: Any, *, levels: int = 10_000) -> Any:
    for _ in range(levels):
        innermost = wrap(innermost)
    return innermost


def containing_itself() -> Schema:
    schema: Schema = {"type": "object"}
    schema["properties"] = {"a": schema, "b": schema}
    schema["default"] = schema
    return schema


def chain(length: int, definition: Callable[[int], Any]) -> Schema:
    return {"$ref": "#/$defs/a0", "$defs": {f"a{index}": definition(index) for index in range(length)}}


def many_references(definition: Any, *, count: int = 3_000) -> Schema:
    properties = {f"p{index}": {"$ref": "#/$defs/a"} for index in range(count)}
    return {"type": "object", "properties": properties, "$defs": {"a": definition}}


def reference(index: int) -> Schema:
    return {"$ref": f"#/$defs/a{index}"}


HOSTILE: dict[str, Any] = {
    "objects without end": nested(lambda inner: {"type": "object", "properties": {"a": inner}}, {}),
    "lists without end": nested(lambda inner: {"type": "array", "items": inner}, {}),
    "variants without end": nested(lambda inner: {"anyOf": [inner, {"type": "null"}]}, {}),
    "a default without end": {"type": "object", "properties": {"a": {"default": nested(lambda inner: [inner], 1)}}},
    "a schema in itself": containing_itself(),
    "doubling objects": nested(lambda inner: {"type": "object", "properties": {"a": inner, "b": inner}}, {}, levels=60),
    "doubling variants": nested(lambda inner: {"oneOf": [inner, inner]}, {"type": "string"}, levels=60),
    "doubling references": chain(60, lambda index: {"oneOf": [reference(index + 1)] * 2}),
    "a very long circle": chain(5_000, lambda index: {"properties": {"a": reference((index + 1) % 5_000)}}),
    "all refer to all": chain(60, lambda _: {"properties": {f"p{other}": reference(other) for other in range(60)}}),
    "a large enum, often": many_references({"enum": list(range(10_000))}),
    "many variants, often": many_references({"oneOf": [{"type": "string", "description": "d"}] * 3_000}),
    "one target in many spellings": many_references({"a/b~": {"$ref": "#/$defs/a/a~1b~0"}}),
    "a reference to itself": {"$ref": "#"},
    "no JSON": {"type": "object", "properties": {"a": {"default": {1, 2}, "const": object()}, 7: {}, None: {}}},
    "numbers beyond all bounds": {"properties": {"a": {"default": float("inf"), "enum": [10**5000, float("nan")]}}},
    "words of the wrong kind": {
        "type": {}, "properties": [], "required": 5, "items": 7, "oneOf": {}, "anyOf": "x", "allOf": 1, "enum": "ab",
        "title": 1, "description": [], "$defs": 5, "$ref": {}, "additionalProperties": 5, "propertyNames": [],
    },
}  # fmt: skip


def written(schema: Any, mode: SchemaMode) -> str:
    result = parameters(schema, mode, TypeNames())
    return "\n".join([*result.declarations, result.type])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_cut_and_never_raises(name: str) -> None:
    assert 0 < len(written(HOSTILE[name], SchemaMode.FIXED)) < 1_000_000
    assert 0 < len(written(HOSTILE[name], SchemaMode.PARITY)) < 10_000_000


@pytest.mark.parametrize("schema", [True, False, None, 5, "x", [], ()], ids=repr)
@pytest.mark.parametrize("mode", SchemaMode)
def test_what_is_no_object_says_nothing_of_the_parameters(schema: Any, mode: SchemaMode) -> None:
    assert written(schema, mode) == "any"


texts = st.sampled_from(
    ["a", "x\ny", "*/ } // {", "\u2028{", "\r\n", "é", "q\"u'o`te\\", "\x85}", "", "${", "\ud800", "//", "(", "]"]
) | st.text(max_size=6)
values = st.recursive(
    texts | st.integers() | st.floats() | st.none() | st.booleans(), lambda inner: st.lists(inner, max_size=2)
)
references = st.sampled_from(["#", "#/$defs/A", "#/$defs/my-def", "#/$defs/string", "#/$defs/none", "x"])


def odd_schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=3)
    kinds = ["object", "array", "string", "integer", "null", "odd", ["string", "null"], ["array", "object"], []]
    return st.booleans() | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(kinds),
            "title": texts, "description": texts, "format": texts, "pattern": texts, "default": values,
            "minimum": values, "nullable": st.booleans(), "examples": st.lists(values, max_size=2),
            "enum": st.lists(values, max_size=2), "const": values, "$ref": references,
            "properties": st.dictionaries(texts, inner, max_size=2), "required": st.lists(texts, max_size=2),
            "items": inner, "additionalProperties": inner, "propertyNames": inner, "prefixItems": several,
            "oneOf": several, "anyOf": several, "allOf": several,
        },
    )  # fmt: skip


odd_trees = st.recursive(odd_schemas(st.just({})), odd_schemas, max_leaves=4)
odd_documents = st.builds(
    lambda root, definitions: {**root, "$defs": definitions} if isinstance(root, dict) else root,
    odd_trees,
    st.fixed_dictionaries({"A": odd_trees, "my-def": odd_trees, "string": odd_trees}),
)


@examples(80)
@given(schema=odd_documents)
def test_brackets_balance_whatever_texts_say(schema: Any) -> None:
    """Check what a parser of TypeScript would trip over: a comment or string that runs on, a bracket left open."""
    code = re.sub(r'"(?:[^"\\\n\u2028\u2029]|\\.)*"|//[^\n\r\u2028\u2029]*', "", written(schema, SchemaMode.FIXED))

    assert '"' not in code
    assert not re.search(r"[\r\u2028\u2029]", code)
    assert _without_brackets(code).isprintable()


def _without_brackets(code: str) -> str:
    code, before = "".join(code.split()), ""
    while code != before:
        code, before = (
            re.sub(r"\{[^{}()\[\]<>]*\}|\([^{}()\[\]<>]*\)|\[[^{}()\[\]<>]*\]|<[^{}()\[\]<>]*>", "", code),
            code,
        )
    assert not set(code) & set("{}()[]<>")
    return code
