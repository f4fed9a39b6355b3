"""What a schema would cost llguidance: some take it minutes, and some end the process."""

from collections.abc import Mapping
from typing import Any

from ostinato.harmony.json_schema import Document, objects_in
from ostinato.harmony.preamble import JsonSchema

_MOST_AT_ONCE = 12  # patterns that may have to hold together; llguidance's time doubles with each
_MOST_COST = 4_000_000  # of the properties of all objects, as llguidance's time grows with them; half a second
_MOST_LEVELS = 1000  # within definitions, one in the other; llguidance recurses, and some 3,000 end the process


def why_too_costly(schema: JsonSchema) -> str | None:
    """Say why llguidance must not see a schema at all; None if it may."""
    if sum(map(_cost_of_properties, objects_in(schema))) > _MOST_COST:
        return "it has too many properties"
    if _reference_depth(schema) > _MOST_LEVELS:
        return "its references lead too deep"
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
