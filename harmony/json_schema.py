"""JSON schemas as they come: cut to bounds, and with their references looked up.

Schemas are written by other people's tools, so they may be nested without end, contain themselves, or hold what is no
JSON. After `bounded` they are finite trees of JSON values, and all that reads them may recurse.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from urllib.parse import unquote

MOST_LEVELS = 120  # of nesting; openai-harmony reads 118
MOST_VALUES = 50_000
MOST_COMPARED = 20_000  # values per document, to tell which definitions are the same

JsonObject = Mapping[str, object]


def bounded(schema: object) -> object:
    """Copy a schema; what lies too deep or is too much becomes `{}`, and so does what is no JSON."""
    return _Copier().copy(schema, MOST_LEVELS)


def listed(schema: JsonObject, key: str) -> Sequence[object]:
    """Return the list under a key, an empty one if there is none."""
    value = schema.get(key)
    return value if isinstance(value, list) else ()


class _Copier:
    def __init__(self) -> None:
        self.values_left = MOST_VALUES

    def copy(self, value: object, levels: int) -> object:
        self.values_left -= 1
        if value is None or isinstance(value, str | bool):
            return value
        if isinstance(value, int | float):
            return value if _is_number(value) else {}
        if levels == 0 or self.values_left <= 0:
            return {}
        if isinstance(value, Mapping):
            return {key: self.copy(item, levels - 1) for key, item in value.items() if isinstance(key, str)}
        if isinstance(value, list | tuple):
            return [self.copy(item, levels - 1) for item in value]
        return {}


def _is_number(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


class Document:
    """A bounded schema within which `$ref` points.

    Definitions are known by the identity of their object in the tree: several references may spell one target.
    """

    def __init__(self, root: JsonObject) -> None:
        self.root = root
        self._compared_left = MOST_COMPARED

    def target(self, schema: JsonObject) -> object:
        """Return what the schema's reference points to; None if there is none, or it points nowhere here."""
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return None
        found: object = self.root
        for step in reference.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping):
                return None
            found = found.get(key, found.get(unquote(key)))
        return found

    def is_recursive(self, definition: object) -> bool:
        """Whether a definition refers to itself, perhaps by way of others."""
        return id(definition) in self._recursive

    def closure(self, definition: object) -> str | None:
        """Write all that a definition stands for, to tell whether two are the same; None if that is too much."""
        found, waiting = {id(definition): definition}, [definition]
        while waiting:
            for inner in objects_in(waiting.pop()):
                self._compared_left -= 1 + len(inner)
                if self._compared_left < 0:
                    return None
                target = self.target(inner)
                if target is not None and id(target) not in found:
                    found[id(target)] = target
                    waiting.append(target)
        return json.dumps(list(found.values()), sort_keys=True)

    @cached_property
    def _recursive(self) -> set[int]:
        """Peel off what leads nowhere and what nothing leads to, until only what runs in circles is left.

        A definition on the way from one circle to another is left too, which does no harm.
        """
        following = self._references()
        preceding: dict[int, set[int]] = {number: set() for number in following}
        for number, targets in following.items():
            for target in targets:
                preceding[target].add(number)
        _peel(following, preceding)
        _peel(preceding, following)
        return set(following)

    def _references(self) -> dict[int, set[int]]:
        """Return for each definition that is referred to, by identity, which ones it refers to."""
        edges: dict[int, set[int]] = {}
        waiting = [target for inner in objects_in(self.root) if (target := self.target(inner)) is not None]
        while waiting:
            definition = waiting.pop()
            if id(definition) in edges:
                continue
            targets = [target for inner in objects_in(definition) if (target := self.target(inner)) is not None]
            edges[id(definition)] = set(map(id, targets))
            waiting += targets
        return edges


def _peel(edges: dict[int, set[int]], reverse: dict[int, set[int]]) -> None:
    """Remove every node that has no edge out, and then has none, from both directions of a graph."""
    ends = [number for number, targets in edges.items() if not targets]
    while ends:
        end = ends.pop()
        del edges[end]
        for before in reverse.pop(end):
            edges[before].discard(end)
            if not edges[before]:
                ends.append(before)


def objects_in(value: object) -> Iterator[JsonObject]:
    """Walk over all objects in a JSON value, itself among them."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
