"""JSON schema → TypeScript: how the model is told what arguments a function takes.

The layout is the one gpt-oss was trained on (`tool_schema_parity.py`). This file departs from it only where the library
loses or garbles what the schema says: `anyOf`, `allOf`, `$ref`, `const`, enums of any type, unions inside arrays,
dictionaries, tuples, keys that are not identifiers, comments of several lines. JSON Schema 2020-12 and OpenAPI's
`nullable` are read; limits on values (`minimum`, `pattern`, `format`) are left out, as in training.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from ostinato.harmony import tool_schema_parity
from ostinato.harmony.preamble import JsonSchema

NESTED = "    "  # the indent of a nested object's properties
VARIANT = "   "  # the same in a variant, which stands after " | "
MOST_REFERENCES = 500  # written out per function: references to references grow without bound
SIMPLE = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}


class SchemaMode(StrEnum):
    """How schemas become TypeScript: correctly, or exactly as openai-harmony 0.0.8 does, faults included."""

    FIXED = "fixed"
    PARITY = "parity"


def parameter_type(schema: JsonSchema, mode: SchemaMode) -> str:
    """Write the type of a function's parameters."""
    if mode == SchemaMode.PARITY:
        return tool_schema_parity.typescript(schema)
    description = schema.get("description")
    head = "".join(f"// {line}\n" for line in _lines(description))
    return head + _Writer(schema).type_of(schema, "")


class _Writer:
    """Writes the schemas of one document, within which `$ref` points."""

    def __init__(self, document: JsonSchema) -> None:
        self.document = document
        self.open_references: list[str] = []
        self.references_left = MOST_REFERENCES

    def type_of(self, schema: object, indent: str) -> str:
        if not isinstance(schema, Mapping):
            return "never" if schema is False else "any"
        if "const" in schema:
            return _literal(schema["const"])
        nullable = ["null"] if schema.get("nullable") is True else []
        members = _list(schema, "enum")
        if members:
            return _union([*map(_literal, members), *nullable])
        own = "any" if _variants_say_all(schema) else self._own_type(schema, indent)
        parts = [own, self._variants_type(schema, indent), self._reference(schema, indent)]
        parts += [self.type_of(part, indent) for part in _list(schema, "allOf")]
        return _union([_intersection(part for part in parts if part != "any"), *nullable])

    def _reference(self, schema: Mapping[str, object], indent: str) -> str:
        """Write the schema a reference points to in its place; a recursive one ends in `any`."""
        target = schema.get("$ref")
        if not isinstance(target, str) or target in self.open_references or not self.references_left:
            return "any"
        self.references_left -= 1
        self.open_references.append(target)
        try:
            return self.type_of(self._find(target), indent)
        finally:
            self.open_references.pop()

    def _find(self, target: str) -> object:
        if not target.startswith("#"):
            return True  # another document: anything goes
        found: object = self.document
        for step in target[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                return True
            found = found[key]
        return found

    def _variants_type(self, schema: Mapping[str, object], indent: str) -> str:
        variants = _variants(schema)
        return _union(self.type_of(variant, indent) for variant in variants) if variants else "any"

    def _own_type(self, schema: Mapping[str, object], indent: str) -> str:
        kinds = schema.get("type", _implied_type(schema))
        members = kinds if isinstance(kinds, list) else [kinds]
        return _union(self._typed(schema, kind, indent) for kind in members)

    def _typed(self, schema: Mapping[str, object], kind: object, indent: str) -> str:
        if kind == "object":
            return self._object(schema, indent)
        if kind == "array":
            return self._array(schema, indent)
        return SIMPLE.get(kind, "any") if isinstance(kind, str) else "any"

    def _array(self, schema: Mapping[str, object], indent: str) -> str:
        first = [self.type_of(item, indent) for item in _list(schema, "prefixItems")]
        items = schema.get("items")
        rest = "Array<any>" if items is None else f"{_in_parentheses(self.type_of(items, indent))}[]"
        if not first:
            return rest
        return f"[{', '.join([*first, *([] if items in (None, False) else [f'...{rest}'])])}]"

    def _object(self, schema: Mapping[str, object], indent: str) -> str:
        properties = schema.get("properties")
        values = schema.get("additionalProperties")
        if not isinstance(properties, Mapping) or not properties:
            is_dictionary = isinstance(values, Mapping)
            return f"Record<string, {self.type_of(values, indent)}>" if is_dictionary else f"{{\n{indent}}}"
        required = _list(schema, "required")
        lines: list[str] = []
        for key, value in properties.items():
            name = key if re.fullmatch(r"[A-Za-z_$][\w$]*", key) else _literal(key)
            lines += self._property(name if key in required else f"{name}?", value, indent)
        return "{\n" + "".join(f"{indent}{line}\n" for line in lines) + f"{indent}}}"

    def _property(self, name: str, schema: object, indent: str) -> Iterator[str]:
        if not isinstance(schema, Mapping):
            yield f"{name}: {self.type_of(schema, indent)},"
            return
        described = self._with_target(schema)
        yield from _comments(described)
        default = f"// default: {_default(described)}" if "default" in described else ""
        if _is_listed(schema):
            if default:
                yield default
            yield f"{name}:"
            yield from (self._variant(variant, described, indent) for variant in _variants(schema))
            if schema.get("nullable") is True:
                yield " | null"
            yield ","
        else:
            yield f"{name}: {self.type_of(schema, indent + NESTED)},{' ' if default else ''}{default}"

    def _with_target(self, schema: Mapping[str, object]) -> Mapping[str, object]:
        """Add what a reference's target says about itself, where the reference does not."""
        reference = schema.get("$ref")
        target = self._find(reference) if isinstance(reference, str) else None
        return {**target, **schema} if isinstance(target, Mapping) else schema

    def _variant(self, variant: object, property_schema: Mapping[str, object], indent: str) -> str:
        text = f" | {self.type_of(variant, indent + VARIANT)}"
        if not isinstance(variant, Mapping):
            return text
        described = self._with_target(variant)
        description = described.get("description")
        notes = [] if description == property_schema.get("description") else _lines(description)
        if "default" in described:
            notes = [*notes, f"default: {_default(described)}"]
        return f"{text} // {' '.join(notes)}" if notes else text


def _implied_type(schema: Mapping[str, object]) -> str | None:
    if "properties" in schema or isinstance(schema.get("additionalProperties"), Mapping):
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else None


def _variants(schema: Mapping[str, object]) -> Sequence[object]:
    return _list(schema, "oneOf") or _list(schema, "anyOf")


def _variants_say_all(schema: Mapping[str, object]) -> bool:
    """Whether `oneOf` or `anyOf` says all about the type, so that a `type` beside it says no more."""
    variants = _variants(schema)
    has_structure = any(key in schema for key in ("properties", "items", "prefixItems", "additionalProperties"))
    return bool(variants) and not has_structure and all(map(_says_type, variants))


def _says_type(schema: object) -> bool:
    keys = ("type", "enum", "const", "$ref", "properties", "items", "oneOf", "anyOf", "allOf")
    return isinstance(schema, Mapping) and any(key in schema for key in keys)


def _is_listed(schema: Mapping[str, object]) -> bool:
    """Whether a property's variants are written one a line: `oneOf`, or `anyOf` with something to say of each."""
    if any(key in schema for key in ("enum", "const", "allOf", "$ref")) or not _variants_say_all(schema):
        return False
    described = (isinstance(variant, Mapping) and "description" in variant for variant in _variants(schema))
    return bool(_list(schema, "oneOf")) or any(described)


def _list(schema: Mapping[str, object], key: str) -> Sequence[object]:
    value = schema.get(key)
    return value if isinstance(value, list | tuple) else ()


def _union(members: Iterable[str]) -> str:
    unique = list(dict.fromkeys(members))
    return "any" if "any" in unique or not unique else " | ".join(unique)


def _intersection(members: Iterable[str]) -> str:
    unique = list(dict.fromkeys(members))
    return " & ".join(map(_in_parentheses, unique) if len(unique) > 1 else unique) or "any"


def _in_parentheses(kind: str) -> str:
    """Bracket a type that holds `|` or `&` outside of braces, brackets and strings."""
    outer, previous = re.sub(r'"(?:[^"\\]|\\.)*"|//.*', "", kind), ""
    while outer != previous:
        outer, previous = re.sub(r"\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\]|<[^<>]*>", "", outer), outer
    return f"({kind})" if "|" in outer or "&" in outer else kind


def _comments(schema: Mapping[str, object]) -> Iterator[str]:
    title, examples = schema.get("title"), _list(schema, "examples")
    if isinstance(title, str):
        yield from (f"// {line}" for line in _lines(title))
        yield "//"
    yield from (f"// {line}" for line in _lines(schema.get("description")))
    if examples:
        yield "// Examples:"
        yield from (f"// - {_literal(example)}" for example in examples)


def _lines(text: object) -> list[str]:
    return text.splitlines() if isinstance(text, str) else []


def _default(schema: Mapping[str, object]) -> str:
    """Write a default; one of an enum's strings stands bare, as in training."""
    value, text = schema["default"], _literal(schema["default"])
    return value if isinstance(value, str) and _list(schema, "enum") and text == f'"{value}"' else text


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
