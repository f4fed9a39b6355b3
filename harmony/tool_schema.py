"""JSON schema → TypeScript: how the model is told what arguments a function takes.

The layout is the one gpt-oss was trained on (`tool_schema_parity.py`). This file departs from it only where the library
loses or garbles what the schema says: `anyOf`, `allOf`, `$ref`, `const`, enums of any type, unions inside arrays,
dictionaries, tuples, limits on values, keys that are not identifiers, comments of several lines. A definition that
refers to itself becomes a type of its own, declared before the function; all others are written where they are used.
JSON Schema 2020-12 and OpenAPI's `nullable` are read. No schema raises: what is too deep or too much becomes `any`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ostinato.harmony import tool_schema_parity
from ostinato.harmony.json_schema import Document, JsonObject, bounded, listed
from ostinato.harmony.preamble import JsonSchema
from ostinato.harmony.schema_comments import LIMITS, comments, default_note, limits, named_parts
from ostinato.harmony.type_names import TypeNames
from ostinato.harmony.typescript import (
    ANY,
    NEVER,
    NULL,
    Notation,
    Type,
    comment,
    intersection,
    literal,
    property_key,
    union,
)

NESTED = "    "  # the indent of a nested object's properties
VARIANT = "   "  # the same in a variant, which stands after " | "
MOST_REFERENCES = 500  # written out per function: references to references grow without bound
MOST_TYPES = 10_000  # written per function, each member of an enum among them
MOST_NESTED = 40  # types within types
MOST_LAYERS = 8  # references to references, looked through for what they say
SIMPLE = {"string": Type("string"), "number": Type("number"), "integer": Type("number"), "boolean": Type("boolean")}
SAID = (
    *LIMITS, "description", "default", "examples", "enum", "const",
    "properties", "items", "prefixItems", "additionalProperties",
)  # fmt: skip


class SchemaMode(StrEnum):
    """How schemas become TypeScript: correctly, or exactly as openai-harmony 0.0.8 does, faults included."""

    FIXED = "fixed"
    PARITY = "parity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The type of a function's parameters, and the declarations it needs before it."""

    type: str
    declarations: tuple[str, ...] = ()


def parameters(schema: JsonSchema | bool, mode: SchemaMode, names: TypeNames) -> Parameters:
    """Write the type of a function's parameters in a namespace with these names."""
    root = bounded(schema)
    if mode == SchemaMode.PARITY or not isinstance(root, Mapping):
        return Parameters(type=tool_schema_parity.typescript(root))
    writer = _Writer(Document(root), names)
    head = [] if writer.is_declared(root) else comment(writer.described(root).get("description"))
    written = writer.type_of(root, "")
    text = "".join(f"{line}\n" for line in head) + written.text
    return Parameters(type=text, declarations=tuple(writer.declarations()))


class _Writer:
    """Writes the schemas of one document; definitions that need a declaration wait in `_undeclared`."""

    def __init__(self, document: Document, names: TypeNames) -> None:
        self._document = document
        self._names = names
        self._own_names: dict[int, str] = {}
        self._undeclared: list[tuple[str, JsonObject]] = []
        self._references_left = MOST_REFERENCES
        self._types_left = MOST_TYPES
        self._nested = 0

    def declarations(self) -> Iterator[str]:
        """Write what was named, and what that names in turn."""
        while self._undeclared:
            name, definition = self._undeclared.pop(0)
            head = comment(definition.get("description"))
            yield "\n".join([*head, f"type {name} ={_on_its_lines(self.type_of(definition, ''))};\n"])

    def is_declared(self, schema: JsonObject) -> bool:
        """Whether the schema stands for a definition that refers to itself and so has its own declaration."""
        return any(self._document.is_recursive(self._document.target(layer)) for layer in self._layers(schema))

    def described(self, schema: JsonObject) -> JsonObject:
        """Return what a schema says of a value, with what the schemas it stands for add."""
        said: dict[str, object] = {}
        for layer in self._layers(schema):
            said = {word: layer[word] for word in SAID if word in layer} | said
        return said

    def type_of(self, schema: object, indent: str) -> Type:
        """Write the type of a schema; its further lines begin with the indent."""
        if not isinstance(schema, Mapping):
            return NEVER if schema is False else ANY
        self._types_left -= 1
        if self._types_left < 0 or self._nested == MOST_NESTED:
            return ANY
        self._nested += 1
        try:
            return self._type_of(schema, indent)
        finally:
            self._nested -= 1

    def _type_of(self, schema: JsonObject, indent: str) -> Type:
        if "const" in schema:
            return Type(literal(schema["const"]))
        nullable = [NULL] if schema.get("nullable") is True else []
        members = listed(schema, "enum")
        self._types_left -= len(members)
        if members and self._types_left >= 0:
            return union([*(Type(literal(member)) for member in members), *nullable])
        if self._is_listed(schema):
            return self._list_of_variants(schema, indent, self.described(schema))
        own = ANY if _variants_say_all(schema) else self._own_type(schema, indent)
        variants = union(self.type_of(variant, indent) for variant in _variants(schema))
        parts = [own, variants, self._reference(schema, indent)]
        parts += [self.type_of(part, indent) for part in listed(schema, "allOf")]
        return union([intersection(parts), *nullable])

    def _reference(self, schema: JsonObject, indent: str) -> Type:
        target = self._document.target(schema)
        if not isinstance(target, Mapping):
            return NEVER if target is False else ANY
        if self._document.is_recursive(target):
            return Type(self._name_of(target, str(schema["$ref"])))
        if not self._references_left:
            return ANY
        self._references_left -= 1
        return self.type_of(target, indent)

    def _name_of(self, definition: JsonObject, reference: str) -> str:
        if id(definition) not in self._own_names:
            closure = self._document.closure(definition)
            name = self._names.find(closure)
            if name is None:
                name = self._names.declare(_wanted_name(definition, reference), closure)
                self._undeclared.append((name, definition))
            self._own_names[id(definition)] = name
        return self._own_names[id(definition)]

    def _own_type(self, schema: JsonObject, indent: str) -> Type:
        kinds = schema.get("type", _implied_type(schema))
        members = kinds if isinstance(kinds, list) else [kinds]
        return union(self._typed(schema, kind, indent) for kind in members)

    def _typed(self, schema: JsonObject, kind: object, indent: str) -> Type:
        if kind == "object":
            return self._object(schema, indent)
        if kind == "array":
            return self._array(schema, indent)
        if kind == "null":
            return NULL
        return SIMPLE.get(kind, ANY) if isinstance(kind, str) else ANY

    def _array(self, schema: JsonObject, indent: str) -> Type:
        first = [self.type_of(item, indent).in_line for item in listed(schema, "prefixItems")]
        items = schema.get("items")
        rest = Type("Array<any>") if items is None else self.type_of(items, indent).array
        if not first:
            return rest
        return Type(f"[{', '.join([*first, *([] if items in (None, False) else [f'...{rest.text}'])])}]")

    def _object(self, schema: JsonObject, indent: str) -> Type:
        properties = schema.get("properties")
        others = self._type_of_other_keys(schema, indent)
        if not isinstance(properties, Mapping) or not properties:
            return Type(f"Record<{self._type_of_keys(schema)}, {others.text}>" if others else f"{{\n{indent}}}")
        required = {name for name in listed(schema, "required") if isinstance(name, str)}
        lines: list[str] = []
        for name, value in properties.items():
            lines += self._property(name, value, indent, is_required=name in required)
        if others:
            lines.append(f"[key: string]: {others.text},")
        return Type("{\n" + "".join(f"{indent}{line}\n" for line in lines) + f"{indent}}}")

    def _type_of_other_keys(self, schema: JsonObject, indent: str) -> Type | None:
        patterns = schema.get("patternProperties")
        values = [*patterns.values()] if isinstance(patterns, Mapping) else []
        others = schema.get("additionalProperties")
        if others is True or isinstance(others, Mapping):
            values.append(others)
        return union(self.type_of(value, indent) for value in values) if values else None

    def _type_of_keys(self, schema: JsonObject) -> str:
        names = schema.get("propertyNames")
        kind = self.type_of(names, "") if isinstance(names, Mapping) else ANY
        return "string" if kind == ANY else kind.text

    def _property(self, name: str, schema: object, indent: str, *, is_required: bool) -> Iterator[str]:
        head = f"{property_key(name)}:" if is_required else f"{property_key(name)}?:"
        if not isinstance(schema, Mapping) or self._types_left <= 0:
            yield f"{head} {self.type_of(schema, indent).text},"
            return
        described = self.described(schema)
        yield from comments(name, schema, described)
        yield from self._comments_on_parts(schema)
        is_listed = any(map(self._is_listed, self._layers(schema)))
        kind = self.type_of(schema, indent if is_listed else indent + NESTED)
        notes = ", ".join([*limits(described), *default_note(described)])
        if kind.notation == Notation.LISTED:
            yield from comment(notes)
            yield f"{head}{kind.text},"
        else:
            yield f"{head} {kind.text},{' // ' if notes else ''}{notes}"

    def _comments_on_parts(self, schema: JsonObject) -> Iterator[str]:
        """Write what is said of the items of a list and of the values of a dictionary, which have no line of theirs."""
        for _ in range(MOST_LAYERS):
            described = self.described(schema)
            parts = [] if self.is_declared(schema) else named_parts(described)
            for label, part in parts:
                said = {} if self.is_declared(part) else self.described(part)
                yield from comment(said.get("description"), label=label)
                yield from comment(", ".join(limits(said)), label=label)
            if len(parts) != 1:
                return
            schema = parts[0][1]

    def _is_listed(self, schema: JsonObject) -> bool:
        """Whether variants are written one a line: `oneOf`, or `anyOf` with something to say of several."""
        if any(key in schema for key in ("enum", "const", "allOf", "$ref")) or not _variants_say_all(schema):
            return False
        if listed(schema, "oneOf"):
            return True
        variants = [self.described(each) for each in _besides_null(_variants(schema)) if isinstance(each, Mapping)]
        braced = [variant for variant in variants if "properties" in variant]
        return len(variants) > 1 and (len(braced) > 1 or any("description" in variant for variant in variants))

    def _list_of_variants(self, schema: JsonObject, indent: str, described: JsonObject) -> Type:
        nullable = [{"type": "null"}] if schema.get("nullable") is True else []
        variants = [self._variant(variant, described, indent) for variant in [*_variants(schema), *nullable]]
        return Type("".join(f"\n{indent} | {line}" for line in variants) + f"\n{indent}", Notation.LISTED)

    def _variant(self, variant: object, outer: JsonObject, indent: str) -> str:
        text = self.type_of(variant, indent + VARIANT).in_line
        if not isinstance(variant, Mapping) or self.is_declared(variant):
            return text
        described = self.described(variant)
        description = described.get("description")
        is_new = isinstance(description, str) and description != outer.get("description")
        said = description.splitlines() if isinstance(description, str) and is_new else []
        notes = " ".join([*said, ", ".join([*limits(described), *default_note(described)])]).strip()
        return f"{text} // {notes}" if notes else text

    def _layers(self, schema: JsonObject) -> list[JsonObject]:
        """Return the schema and those it stands for, one after the other."""
        layers = [schema]
        while len(layers) < MOST_LAYERS and (inner := self._stands_for(layers[-1])) is not None:
            layers.append(inner)
        return layers

    def _stands_for(self, schema: JsonObject) -> JsonObject | None:
        """Return the target of a reference, or the one variant besides null; a named type speaks for itself."""
        if "$ref" in schema:
            target = self._document.target(schema) if self._references_left else None
            return target if isinstance(target, Mapping) and not self._document.is_recursive(target) else None
        parts = listed(schema, "allOf") or ([] if "oneOf" in schema else _besides_null(listed(schema, "anyOf")))
        return parts[0] if len(parts) == 1 and isinstance(parts[0], Mapping) else None


def _on_its_lines(written: Type) -> str:
    return written.text if written.notation == Notation.LISTED else f" {written.text}"


def _wanted_name(definition: JsonObject, reference: str) -> str:
    if "/" in reference:
        return reference.rpartition("/")[2]
    title = definition.get("title")
    return title if isinstance(title, str) else "Parameters"


def _implied_type(schema: JsonObject) -> str | None:
    if any(isinstance(schema.get(key), Mapping) for key in ("properties", "additionalProperties", "patternProperties")):
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else None


def _variants(schema: JsonObject) -> list[object]:
    return [*(listed(schema, "oneOf") or listed(schema, "anyOf"))]


def _besides_null(variants: Iterable[object]) -> list[object]:
    return [variant for variant in variants if variant != {"type": "null"}]


def _variants_say_all(schema: JsonObject) -> bool:
    """Whether `oneOf` or `anyOf` says all about the type, so that a `type` beside it says no more."""
    variants = _variants(schema)
    has_structure = any(key in schema for key in ("properties", "items", "prefixItems", "additionalProperties"))
    return bool(variants) and not has_structure and all(map(_says_type, variants))


def _says_type(schema: object) -> bool:
    keys = ("type", "enum", "const", "$ref", "properties", "items", "oneOf", "anyOf", "allOf")
    return isinstance(schema, Mapping) and any(key in schema for key in keys)
