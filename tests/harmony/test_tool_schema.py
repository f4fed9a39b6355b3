"""Schemas the library garbles, as the model should see them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples

from ostinato.harmony import SchemaMode
from ostinato.harmony.tool_schema import parameters
from ostinato.harmony.type_names import TypeNames


def fixed(schema: dict[str, Any]) -> str:
    return parameters(schema, SchemaMode.FIXED, TypeNames()).type


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
    ({"type": "object", "additionalProperties": True}, "Record<string, any>"),
    ({"type": "object", "patternProperties": {"^x": NUMBER}}, "Record<string, number>"),
    ({"additionalProperties": NUMBER, "propertyNames": {"enum": ["a", "b"]}}, 'Record<"a" | "b", number>'),
    ({"const": "\u2028"}, '"\\u2028"'),
    ({"type": "array", "items": {"oneOf": [{"type": "array", "items": {}}]}}, "Array<\n     | any[]\n    >"),
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


def declared(*schemas: Any, tools: tuple[str, ...] = ()) -> list[str]:
    """Declare functions with these parameters in one namespace; return all declarations, and the types."""
    names = TypeNames(tools)
    written = [parameters(schema, SchemaMode.FIXED, names) for schema in schemas]
    return [text for each in written for text in (*each.declarations, each.type)]


def tree(name: str, **fields: Any) -> dict[str, Any]:
    node = {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{name}"}}, **fields}
    return {"$ref": f"#/$defs/{name}", "$defs": {name: node}}


def test_a_definition_that_refers_to_itself_is_declared_with_its_description() -> None:
    assert declared(tree("Node", description="A node\nof a list")) == [
        "// A node\n// of a list\ntype Node = {\nnext?: Node,\n};\n",
        "Node",
    ]


def test_definitions_that_refer_to_each_other_are_declared_and_others_written_out() -> None:
    definitions = {
        "Even": {"type": "array", "items": {"$ref": "#/$defs/Odd"}},
        "Odd": {"anyOf": [{"$ref": "#/$defs/Even"}, {"$ref": "#/$defs/Leaf"}, NULL]},
        "Leaf": {"type": "string", "description": "The end"},
    }
    schema = {"properties": {"x": {"$ref": "#/$defs/Even"}, "y": {"$ref": "#/$defs/Leaf"}}, "$defs": definitions}

    assert declared(schema) == [
        "type Even = Odd[];\n",
        "type Odd =\n | Even\n | string // The end\n | null\n;\n",
        "{\nx?: Even,\n// The end\ny?: string,\n}",
    ]


def test_a_definition_on_the_way_to_a_recursive_one_is_written_out() -> None:
    schema = {"$ref": "#/$defs/Way", "$defs": {"Way": {"items": {"$ref": "#/$defs/Node"}}, **tree("Node")["$defs"]}}

    assert declared(schema)[-1] == "Node[]"


def test_the_same_type_is_declared_once_and_another_of_its_name_is_numbered() -> None:
    other = tree("Node", required=["next"])

    assert declared(tree("Node"), other, tree("Node"), other) == [
        "type Node = {\nnext?: Node,\n};\n",
        "Node",
        "type Node_2 = {\nnext: Node_2,\n};\n",
        "Node_2",
        "Node",
        "Node_2",
    ]


@pytest.mark.parametrize(
    ("name", "declared_as"),
    [
        ("Node", "Node_2"),
        ("string", "string_2"),
        ("my-type", "my_type"),
        ("2nd", "_2nd"),
        ("Página", "P_gina"),
        ("", "_"),
    ],
)
def test_a_declared_type_has_a_name_that_is_free(name: str, declared_as: str) -> None:
    assert declared(tree(name), tools=("Node",))[-1] == declared_as


def test_a_document_that_refers_to_itself_is_called_by_its_title() -> None:
    schema = {"type": "object", "title": "Folder", "properties": {"inner": {"$ref": "#"}}}

    assert declared({**schema, "items": {"$ref": "#"}})[-1] == "{\ninner?: Folder,\n}"


def test_a_title_that_spells_the_key_says_nothing() -> None:
    assert property_line({"type": "string", "title": "X"}) == "x: string,"
    assert property_line({"type": "string", "title": "The X"}) == "// The X\n//\nx: string,"


def test_limits_stand_before_the_default() -> None:
    schema = {"type": "integer", "minimum": 1, "maximum": 9, "format": "int32", "default": 3}

    assert property_line(schema) == "x: number, // format: int32, minimum: 1, maximum: 9, default: 3"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\n}"])
def test_a_limit_that_would_end_its_comment_is_written_as_a_literal(end: str) -> None:
    line = property_line({"type": "string", "pattern": f"a{end}"})

    assert line.startswith('x: string, // pattern: "a\\')
    assert len(line.splitlines()) == 1


def test_the_default_of_a_constant_is_no_news() -> None:
    assert property_line({"const": "cat", "default": "cat"}) == 'x: "cat",'


def test_what_is_said_of_items_and_values_is_a_comment() -> None:
    words = {"type": "array", "items": {"type": "string", "description": "One\nword", "maxLength": 9}}

    assert property_line(words) == "// Each item: One\n// word\n// Each item: maxLength: 9\nx: string[],"
    assert property_line({"type": "object", "additionalProperties": words}) == (
        "// Each item: One\n// word\n// Each item: maxLength: 9\nx: Record<string, string[]>,"
    )
    assert property_line({"type": "array", "prefixItems": [NUMBER, {**STRING, "description": "unit"}]}) == (
        "// Item 2: unit\nx: [number, string],"
    )


def test_described_variants_inside_a_list_keep_their_lines() -> None:
    variants = {"anyOf": [{**STRING, "description": "a name"}, {**NUMBER, "description": "an id"}]}

    assert property_line({"type": "array", "items": variants}) == (
        "x: Array<\n     | string // a name\n     | number // an id\n    >,"
    )


def test_an_optional_value_is_described_as_the_value() -> None:
    optional = {"anyOf": [{"type": "integer", "description": "How many", "minimum": 1}, NULL], "default": None}

    assert property_line(optional) == "// How many\nx: number | null, // minimum: 1, default: null"


def test_a_key_of_another_script_is_an_identifier() -> None:
    assert fixed({"properties": {"größe": STRING, "$x": STRING, "2x": STRING, "x²": STRING}}) == (
        '{\ngröße?: string,\n$x?: string,\n"2x"?: string,\n"x²"?: string,\n}'
    )


def test_an_escaped_reference_is_followed() -> None:
    definitions = {"a/b~c": STRING, "Page[int]": NUMBER}

    assert property_line({"$ref": "#/$defs/a~1b~0c"}, **{"$defs": definitions}) == "x: string,"
    assert property_line({"$ref": "#/$defs/Page%5Bint%5D"}, **{"$defs": definitions}) == "x: number,"


plain_words = st.text(alphabet="abc xyz", min_size=1, max_size=10).map(str.strip).filter(bool)
titles = plain_words.map("The {}".format)
plain_values = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "number", "integer", "boolean"])},
    optional={"description": plain_words, "title": titles, "default": plain_words | st.integers(0, 9)},
)
plain_items = st.fixed_dictionaries({"type": st.sampled_from(["string", "number", "integer", "boolean"])})
plain_arrays = st.fixed_dictionaries({"type": st.just("array")}, optional={"items": plain_items})
plain_enums = st.fixed_dictionaries(
    {"type": st.just("string"), "enum": st.just(["a", "b"])}, optional={"default": st.just("a")}
)
plain_choices = st.fixed_dictionaries({"oneOf": st.lists(plain_arrays | plain_enums, min_size=1, max_size=3)})


def plain_objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["a", "b_c", "d1"])
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(keys, inner, max_size=3)},
        optional={"required": st.lists(keys, max_size=2), "title": titles},
    )


@examples(200)
@given(
    schema=plain_objects(
        st.recursive(plain_values | plain_arrays | plain_enums | plain_choices, plain_objects, max_leaves=6)
    )
)
def test_a_schema_the_library_gets_right_is_written_as_in_training(schema: Any) -> None:
    assert fixed(schema) == parameters(schema, SchemaMode.PARITY, TypeNames()).type
