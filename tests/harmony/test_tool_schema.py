"""Schemas the library garbles, as the model should see them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.harmony import SchemaMode
from ostinato.harmony.tool_schema import parameter_type


def fixed(schema: dict[str, Any]) -> str:
    return parameter_type(schema, SchemaMode.FIXED)


def property_line(schema: Any, **document: Any) -> str:
    """Write a schema as the one property `x`, and return that without the braces around it."""
    text = fixed({"type": "object", "properties": {"x": schema}, "required": ["x"], **document})
    return text.removeprefix("{\n").removesuffix("\n}")


STRING, NUMBER, NULL = {"type": "string"}, {"type": "number"}, {"type": "null"}
TYPES: list[tuple[Any, str]] = [
    ({"anyOf": [STRING, NULL]}, "string | null"),
    ({"anyOf": [{"type": "integer"}, NUMBER]}, "number"),
    ({"allOf": [STRING]}, "string"),
    ({"allOf": [{"enum": ["a", "b"]}, STRING]}, '("a" | "b") & string'),
    ({"const": "a"}, '"a"'),
    ({"enum": ["a", 1, None, True]}, '"a" | 1 | null | true'),
    ({"type": "string", "enum": ['quo"te', "line\nbreak"]}, '"quo\\"te" | "line\\nbreak"'),
    ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
    ({"type": "array", "items": {"type": ["string", "integer"]}}, "(string | number)[]"),
    ({"type": "array", "items": {"const": "a|b"}}, '"a|b"[]'),
    ({"type": "array", "items": {"type": "array", "items": {"anyOf": [STRING, NUMBER]}}}, "(string | number)[][]"),
    ({"type": ["array", "null"], "items": STRING}, "string[] | null"),
    ({"type": "array", "prefixItems": [STRING, NUMBER]}, "[string, number]"),
    ({"type": "array", "prefixItems": [STRING], "items": NUMBER}, "[string, ...number[]]"),
    ({"type": "object", "additionalProperties": NUMBER}, "Record<string, number>"),
    ({"type": "string", "nullable": True}, "string | null"),
    ({"enum": ["null"], "nullable": True}, '"null" | null'),
    ({"items": STRING}, "string[]"),
    ({"type": "string", "anyOf": [{"const": "a"}, {"const": "b"}]}, '"a" | "b"'),
    ({"type": "string", "anyOf": [{"minLength": 1}, {"format": "uri"}]}, "string"),
    ({}, "any"),
    (True, "any"),
    (False, "never"),
    ({"$ref": "https://example.com/schema"}, "any"),
    ({"$ref": "#/$defs/missing"}, "any"),
]


@pytest.mark.parametrize(("schema", "expected"), TYPES, ids=[expected for _, expected in TYPES])
def test_a_schema_is_written_as_the_type_it_describes(schema: Any, expected: str) -> None:
    assert property_line(schema) == f"x: {expected},"


def test_a_reference_is_written_out() -> None:
    color = {"enum": ["red", "green"], "description": "A color"}

    line = property_line({"$ref": "#/$defs/Color", "default": "red"}, **{"$defs": {"Color": color}})

    assert line == '// A color\nx: "red" | "green", // default: red'


def test_a_recursive_reference_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}

    line = property_line({"$ref": "#/$defs/Node"}, **{"$defs": {"Node": node}})

    assert line == "x: {\n    next?: any,\n    },"


def test_references_to_references_do_not_grow_without_bound() -> None:
    doubling = {
        f"a{level}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(60)
    }

    assert len(property_line({"$ref": "#/$defs/a0"}, **{"$defs": doubling})) < 10_000


def test_each_line_of_a_comment_is_a_comment() -> None:
    assert property_line({"type": "string", "description": "one\ntwo"}) == "// one\n// two\nx: string,"


def test_the_description_of_a_nested_object_is_written_once() -> None:
    nested = {"type": "object", "description": "nested", "properties": {"y": STRING}}

    assert property_line(nested) == "// nested\nx: {\n    y?: string,\n    },"


def test_examples_of_any_type_are_written() -> None:
    assert property_line({"type": "number", "examples": [1, 2.5]}) == "// Examples:\n// - 1\n// - 2.5\nx: number,"


def test_a_default_is_a_literal() -> None:
    assert property_line({"type": "string", "default": 'a "b"\n'}) == 'x: string, // default: "a \\"b\\"\\n"'


def test_a_key_that_is_no_identifier_is_quoted() -> None:
    assert fixed({"type": "object", "properties": {"my-key": STRING}}) == '{\n"my-key"?: string,\n}'


def test_described_variants_are_written_one_a_line() -> None:
    variants = [{"type": "string", "description": "a name"}, {"type": "integer", "default": 3}]

    line = property_line({"anyOf": variants, "description": "which", "default": "a"})

    assert line == '// which\n// default: "a"\nx:\n | string // a name\n | number // default: 3\n,'


plain_words = st.text(alphabet="abc xyz", min_size=1, max_size=10).map(str.strip).filter(bool)
plain_values = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "number", "integer", "boolean"])},
    optional={"description": plain_words, "title": plain_words, "default": plain_words | st.integers(0, 9)},
)
plain_arrays = st.fixed_dictionaries({"type": st.just("array")}, optional={"items": plain_values})
plain_enums = st.fixed_dictionaries(
    {"type": st.just("string"), "enum": st.just(["a", "b"])}, optional={"default": st.just("a")}
)
plain_choices = st.fixed_dictionaries({"oneOf": st.lists(plain_arrays | plain_enums, min_size=1, max_size=3)})


def plain_objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["a", "b_c", "d1"])
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(keys, inner, max_size=3)},
        optional={"required": st.lists(keys, max_size=2), "title": plain_words},
    )


@settings(deadline=None, max_examples=100)
@given(
    schema=plain_objects(
        st.recursive(plain_values | plain_arrays | plain_enums | plain_choices, plain_objects, max_leaves=6)
    )
)
def test_a_schema_the_library_gets_right_is_written_as_in_training(schema: Any) -> None:
    assert fixed(schema) == parameter_type(schema, SchemaMode.PARITY)
