"""Arguments fit their schema, whatever it uses, in whatever order they come."""

import json
from itertools import permutations
from typing import Any

import jsonschema
import pytest
from tests.harmony.conftest import Spell
from tests.harmony.grammar_cases import VOCABULARIES, refused_at, walk

from ostinato.harmony import DeveloperContent, Message, StreamParser, ToolDescription, ToolNamespace
from ostinato.harmony.grammar import Grammar
from ostinato.harmony.grammar_bits import ordinary, with_id
from ostinato.harmony.grammar_bodies import Json, Text
from ostinato.harmony.grammar_json import JsonGrammar, end_of_document, new_matcher

HEADER = "<|channel|>commentary to=functions.f<|message|>"
VALUES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "short string": {"type": "string", "minLength": 2, "maxLength": 4},
    "pattern": {"type": "string", "pattern": "^[a-c]{2,3}-[0-9]$"},
    "date": {"type": "string", "format": "date"},
    "integer in a range": {"type": "integer", "minimum": -3, "exclusiveMaximum": 40},
    "number in a range": {"type": "number", "minimum": 0, "maximum": 1},
    "several types": {"type": ["string", "null", "boolean"]},
    "enum": {"enum": ["a", 1, None, True, {"b": 2}]},
    "const": {"const": 'é\n"'},
    "optional as pydantic writes it": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    "list": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "items": False,
        "minItems": 2,
    },
    "dictionary": {"type": "object", "additionalProperties": {"type": "boolean"}},
    "nested": {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x"],
        "additionalProperties": False,
    },
    "union": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}},
                "required": ["kind"],
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "dog"}, "tail": {"type": "boolean"}},
                "required": ["kind"],
            },
        ]
    },
    "reference": {"$ref": "#/$defs/Tree"},
    "all of": {"allOf": [{"type": "integer", "minimum": 2}, {"maximum": 5}]},
}
TREE = {
    "Tree": {
        "type": "object",
        "properties": {"leaf": {"type": "integer"}, "branches": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["leaf"],
        "additionalProperties": False,
    }
}


def grammar_of(schema: Any, vocabulary: str = "o200k") -> Grammar:
    tool = ToolDescription(name="f", description="", parameters=schema)
    content = DeveloperContent(tools=(ToolNamespace(name="functions", tools=(tool,)),))
    return Grammar([Message.developer(content)], VOCABULARIES[vocabulary])


def allows(grammar: Grammar, spell: Spell, arguments: Any, **layout: Any) -> bool:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, **layout)
    return refused_at(grammar.constraint(), spell(f"{HEADER}{text}<|call|>")) is None


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("value", VALUES)
def test_arguments_fit_their_schema(value: str, vocabulary: str) -> None:
    schema = {
        "type": "object",
        "properties": {"value": VALUES[value], "other": {"type": "boolean"}},
        "required": ["value"],
        "$defs": TREE,
        "additionalProperties": False,
    }
    grammar, tokenizer = grammar_of(schema, vocabulary), VOCABULARIES[vocabulary]
    assert grammar.notices == ()

    for seed in range(8):
        ids = walk(grammar.constraint(tool_choice="f", analysis_limit=0), tokenizer, seed, length=20_000)
        parser = StreamParser(tokenizer)
        *_, message = [output for number in ids for output in parser.feed(number) if isinstance(output, Message)]
        arguments = json.loads(message.text)
        jsonschema.validate(arguments, schema)
        assert len(arguments) == message.text.count('"value"') + message.text.count('"other"')  # each once


def test_a_matcher_that_fails_leaves_the_rest_of_the_content_free() -> None:
    tokenizer = VOCABULARIES["nano"]
    matcher = new_matcher(JsonGrammar.of({"type": "object"}), tokenizer)
    text = Text(with_id(ordinary(tokenizer), tokenizer.call))
    end = end_of_document(tokenizer)
    body = Json(matcher, end=end, terminator=tokenizer.call, fallback=text, seen={})
    (letter,) = tokenizer.encode("x")
    assert not body.can_end

    matcher.consume_token(letter)  # no document begins so: the matcher is in the state of any failure

    assert body.allowed() is text.allowed()
    assert body.can_end
    assert body.accept(letter)
    assert not body.accept(tokenizer.start)


SIX = {f"key{index}": {"type": "integer"} for index in range(6)}


def test_arguments_come_in_any_order(spell: Spell) -> None:
    few = grammar_of(
        {"properties": {"b": {"type": "integer"}, 'ä "q"': {"type": "string"}, "c": {}}, "required": ["b"]}
    )

    for order in permutations({"b": 1, 'ä "q"': "x", "c": [None, {"d": 2}]}.items()):
        for layout in ({"ensure_ascii": False}, {"ensure_ascii": False, "indent": 2}):
            assert allows(few, spell, dict(order), **layout)
    assert allows(few, spell, {"b": 1})
    assert not allows(few, spell, {"c": 1})
    assert not allows(few, spell, '{"b": 1, "b": 2}')
    assert allows(grammar_of({"properties": SIX}), spell, dict.fromkeys(reversed(SIX), 1))
    assert allows(grammar_of({"properties": SIX}), spell, {})


def test_many_arguments_come_in_the_order_of_their_schema(spell: Spell) -> None:
    many = grammar_of({"properties": {**SIX, "last": {"type": "integer"}}})

    assert allows(many, spell, {"key1": 1, "last": 2})
    assert not allows(many, spell, {"last": 2, "key1": 1})


def test_what_a_schema_says_of_its_properties_elsewhere_is_kept(spell: Spell) -> None:
    both = grammar_of({"properties": {"a": {"type": "integer"}}, "allOf": [{"required": ["a"]}]})

    assert allows(both, spell, {"a": 1})
    assert not allows(both, spell, {})


def test_a_reference_means_the_same_wherever_it_stands(spell: Spell) -> None:
    tree = grammar_of({"properties": {"leaf": {"type": "integer"}, "branches": {"items": {"$ref": "#"}}}})
    shadowed = {"$defs": {"Size": {"type": "string"}}, "items": {"$ref": "#/$defs/Size"}}
    sized = grammar_of({"properties": {"sizes": shadowed}, "$defs": {"Size": {"type": "integer"}}})
    like = {"items": {"$ref": "#/properties/a"}, "properties": {"a": {"type": "string"}}}
    alike = grammar_of({"properties": {"a": {"type": "integer"}, "others": like}})

    assert allows(tree, spell, {"leaf": 1, "branches": [{"leaf": 2, "branches": []}]})
    assert not allows(tree, spell, {"branches": [[]]})
    assert allows(sized, spell, {"sizes": [1]})
    assert not allows(sized, spell, {"sizes": ["big"]})
    assert allows(alike, spell, {"others": [1]})
    assert not allows(alike, spell, {"others": ["x"]})


def test_patterns_that_would_take_for_ever_together_are_left_out(spell: Spell) -> None:
    many = [{"type": "string", "pattern": f"a{index}"} for index in range(200)]
    chained: dict[str, Any] = {"type": "string"}
    for index in range(60):
        chained = {"pattern": f"a{index}", "anyOf": [chained]}

    for value in ({"allOf": many}, chained):
        grammar = grammar_of({"properties": {"a": value, "pattern": {"const": {"pattern": "x"}}}})
        assert grammar.notices == (
            "functions.f: not all of the schema can be enforced: too many patterns may have to hold together",
        )
        assert allows(grammar, spell, {"a": "x", "pattern": {"pattern": "x"}})
        assert not allows(grammar, spell, {"a": 1})
    apart = grammar_of({"properties": {f"key{index}": each for index, each in enumerate(many)}})
    assert apart.notices == ()
    assert not allows(apart, spell, {"key7": "a8"})


def test_more_properties_than_can_be_followed_are_any_object(spell: Spell) -> None:
    many = {f"key{index}": {"type": "integer"} for index in range(20_000)}

    for schema in ({"properties": many}, {"patternProperties": many}):
        grammar = grammar_of(schema)
        assert grammar.notices == (
            "functions.f: the schema cannot be enforced, only that it is an object: it has too many properties",
        )
        assert allows(grammar, spell, {"key7": "x"})


@pytest.mark.parametrize("nested", [1, 50])
def test_references_that_lead_too_deep_are_any_object(spell: Spell, nested: int) -> None:
    definitions: dict[str, Any] = {}
    for index in range(4000 // nested):
        definitions[f"D{index}"] = {"$ref": f"#/$defs/D{index + 1}"}
        for _ in range(nested):
            definitions[f"D{index}"] = {"type": "array", "items": definitions[f"D{index}"]}
    grammar = grammar_of({"properties": {"a": {"$ref": "#/$defs/D0"}}, "$defs": definitions})

    assert grammar.notices == (
        "functions.f: the schema cannot be enforced, only that it is an object: its references lead too deep",
    )
    assert allows(grammar, spell, {"a": "x"})


REF = {"$ref": "#/$defs/Node"}


@pytest.mark.parametrize(
    ("next_one", "is_endless"),
    [
        (REF, True),
        ({"anyOf": [REF, {"type": "array", "items": REF, "minItems": 1}]}, True),
        ({"allOf": [{"type": "object"}, REF]}, True),
        ({"anyOf": [REF, {"type": "null"}]}, False),
        ({"type": "array", "items": REF}, False),
        ({"type": ["object", "null"], "properties": {"next": REF}, "required": ["next"]}, False),
    ],
)
def test_a_schema_without_a_finite_document_is_any_object(
    next_one: dict[str, Any], is_endless: bool, spell: Spell
) -> None:
    node = {"type": "object", "properties": {"next": next_one}, "required": ["next"]}
    grammar = grammar_of({"properties": {"a": REF}, "required": ["a"], "$defs": {"Node": node}})
    notice = (
        "functions.f: the schema cannot be enforced, only that it is an object: every document would contain itself"
    )

    assert (notice in grammar.notices) == is_endless
    assert allows(grammar, spell, {"b": 1}) == is_endless
