"""What a schema says of a value besides its type: the comments on a property."""

from collections.abc import Iterator, Mapping

from ostinato.harmony.json_schema import JsonObject, listed
from ostinato.harmony.typescript import comment, literal, plain

LIMITS = (
    "format", "pattern", "minLength", "maxLength", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
)  # fmt: skip


def comments(name: str, schema: JsonObject, described: JsonObject) -> Iterator[str]:
    """Write what is said of a property; a title that only spells its name says nothing."""
    title, examples = schema.get("title"), listed(described, "examples")
    if isinstance(title, str) and _spelling(title) != _spelling(name):
        yield from comment(title)
        yield "//"
    yield from comment(described.get("description"))
    if examples:
        yield "// Examples:"
        yield from (f"// - {literal(example)}" for example in examples)


def named_parts(described: JsonObject) -> list[tuple[str, JsonObject]]:
    """Return the parts of a list or dictionary, with what to call each; properties have lines of their own."""
    if any(word in described for word in ("properties", "enum", "const")):
        return []
    parts = [(f"Item {number}: ", item) for number, item in enumerate(listed(described, "prefixItems"), 1)]
    parts += [("Each item: ", described.get("items")), ("Each value: ", described.get("additionalProperties"))]
    return [(label, part) for label, part in parts if isinstance(part, Mapping)]


def limits(described: JsonObject) -> list[str]:
    """Write the limits on a value; a tuple's length is seen from its type."""
    unsaid = ("minItems", "maxItems") if listed(described, "prefixItems") else ()
    return [f"{limit}: {plain(described[limit])}" for limit in LIMITS if limit in described and limit not in unsaid]


def default_note(described: JsonObject) -> list[str]:
    """Write the default, unless it is the one value there is."""
    if "default" not in described or ("const" in described and described["const"] == described["default"]):
        return []
    return [f"default: {_default(described)}"]


def _default(schema: JsonObject) -> str:
    """Write a default; one of an enum's strings stands bare, as in training."""
    value, text = schema["default"], literal(schema["default"])
    return value if isinstance(value, str) and listed(schema, "enum") and text == f'"{value}"' else text


def _spelling(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
