"""What llguidance cannot take of schemas: some cost it minutes, some end the process, and some have no end."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ostinato.harmony.json_schema import Document, JsonObject, listed, objects_in
from ostinato.harmony.preamble import JsonSchema

_MOST_AT_ONCE = 12  # patterns that may have to hold together; llguidance's time doubles with each
_MOST_COST = 4_000_000  # of the properties of all objects, as llguidance's time grows with them; half a second
_MOST_VISITS = 150_000  # of its parts, to tell whether a schema has a finite document; half a second
_MOST_LEVELS = 1000  # within definitions, one in the other; llguidance recurses, and some 3,000 end the process


def why_unfit(schema: JsonSchema) -> str | None:
    """Say why llguidance must not see a schema at all; None if it may."""
    if sum(map(_cost_of_properties, objects_in(schema))) > _MOST_COST:
        return "it has too many properties"
    if _reference_depth(schema) > _MOST_LEVELS:
        return "its references lead too deep"
    if not _has_finite_document(schema):
        return "every document would contain itself"
    return None


def intersects_many_patterns(schema: JsonSchema) -> bool:
    """Say whether more patterns may have to hold together than llguidance can follow in time."""
    found = list(objects_in(schema))
    if sum(isinstance(inner.get("pattern"), str) for inner in found) <= _MOST_AT_ONCE:
        return False
    beside = ("$ref", "anyOf", "oneOf")
    return any(
        "allOf" in inner or "patternProperties" in inner or ("pattern" in inner and any(key in inner for key in beside))
        for inner in found
    )


def without_patterns(value: Any) -> Any:
    """Copy a schema without its patterns; a property of that name stays, and so do the values of constants."""
    if isinstance(value, list):
        return [without_patterns(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: item for key, item in value.items() if key != "pattern" or not isinstance(item, str)}
    return {key: item if key in ("const", "enum") else without_patterns(item) for key, item in kept.items()}


def _cost_of_properties(schema: Mapping[str, object]) -> int:
    properties, patterns = schema.get("properties"), schema.get("patternProperties")
    by_name = len(properties) ** 2 if isinstance(properties, dict) else 0
    return by_name + (len(patterns) ** 3 if isinstance(patterns, dict) else 0)


def _reference_depth(schema: JsonSchema) -> int:
    """Return how deep one definition in another can lead at most."""
    document = Document(schema)
    targets = [document.target(inner) for inner in objects_in(schema)]
    return sum(map(_depth, {id(target): target for target in targets}.values()))


def _depth(value: object) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, members), default=0) if isinstance(value, dict | list) else 0


def _has_finite_document(schema: JsonSchema) -> bool:
    """Say whether some document has an end, by finding the schemas of which that is certain, from the innermost on.

    Only what an object or array must hold counts against it. Where that is not settled soon, there may be one.
    """
    document = Document(schema)
    unsettled = list(objects_in(schema))[::-1]
    endless = set(map(id, unsettled))
    visits_left = _MOST_VISITS
    while (visits_left := visits_left - len(unsettled)) >= 0:
        before = len(endless)
        for inner in unsettled:
            if not any(id(part) in endless for part in _needed(inner, document, endless)):
                endless.discard(id(inner))
        if id(schema) not in endless:
            return True
        if len(endless) == before:
            return False
        unsettled = [inner for inner in unsettled if id(inner) in endless]
    return True


def _needed(schema: JsonObject, document: Document, endless: Collection[int]) -> Iterator[object]:
    """Return the parts without which a schema has no document: of a choice, one that ends if there is any."""
    yield document.target(schema)
    yield from listed(schema, "allOf")
    for key in ("anyOf", "oneOf"):
        choices = listed(schema, key)
        yield next((choice for choice in choices if id(choice) not in endless), choices[0] if choices else None)
    properties = schema.get("properties")
    if schema.get("type") == "object" and isinstance(properties, Mapping):
        yield from (properties.get(key) for key in listed(schema, "required") if isinstance(key, str))
    if schema.get("type") == "array" and schema.get("minItems") not in (None, 0) and not listed(schema, "prefixItems"):
        yield schema.get("items")
