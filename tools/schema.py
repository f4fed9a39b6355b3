"""Typed Python functions as JSON schemas in the form that harmony can show to the model.

Pydantic writes references, `anyOf` and a title for every field; harmony's TypeScript (harmony/tool_schema.py) has no
words for the first two, and titles only repeat the names.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

_POSITIONS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only",
    inspect.Parameter.VAR_POSITIONAL: "variadic",
    inspect.Parameter.VAR_KEYWORD: "variadic",
}


def arguments_model(function: Callable[..., object], descriptions: Mapping[str, str]) -> type[BaseModel]:
    """Make the model that validates a call of `function`: field i, under its parameter's name as alias.

    Raises:
        TypeError: if a parameter has no annotation or cannot be passed by name.
    """
    parameters = inspect.signature(function).parameters
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for index, (name, parameter) in enumerate(parameters.items()):
        _refuse_what_has_no_name(function, parameter)
        if name not in hints:
            raise TypeError(f"{function.__name__}: annotate parameter {name!r}; the model is told its type")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        # Field names are made up, because a parameter may be called `copy` or `_x` and a field may not.
        described: dict[str, Any] = {"description": descriptions[name]} if name in descriptions else {}
        fields[f"field_{index}"] = (hints[name], Field(default, alias=name, **described))
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def parameters_schema(model: type[BaseModel]) -> dict[str, Any] | None:
    """Return the schema of `model` as the model is shown it, None if there are no parameters."""
    if not model.model_fields:
        return None
    schema = model.model_json_schema()
    simple = _simplified(schema, schema.get("$defs", {}), ())
    return {key: simple[key] for key in ("type", "properties", "required") if key in simple}


def _refuse_what_has_no_name(function: Callable[..., object], parameter: inspect.Parameter) -> None:
    if parameter.kind in _POSITIONS:
        kind = _POSITIONS[parameter.kind]
        raise TypeError(f"{function.__name__}: {parameter!s} is {kind}; the model passes every argument by its name")


def _simplified(schema: Any, definitions: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    """Resolve references and unions; `within` are the definitions being resolved, and a recursive one becomes any."""
    if not isinstance(schema, dict):
        return {}  # `true`: any value
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in within:
            return {}
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _simplified({**definitions[name], **beside}, definitions, (*within, name))
    simple = {key: value for key, value in schema.items() if key not in {"title", "anyOf", "const", "$defs"}}
    if "const" in schema:
        simple["enum"] = [schema["const"]]
    if "properties" in schema:
        properties = schema["properties"].items()
        simple["properties"] = {name: _simplified(value, definitions, within) for name, value in properties}
    if "items" in schema:
        simple["items"] = _simplified(schema["items"], definitions, within)
    variants = [_simplified(value, definitions, within) for value in schema.get("anyOf") or schema.get("oneOf") or ()]
    return _union(simple, variants) if variants else simple


def _union(simple: dict[str, Any], variants: list[dict[str, Any]]) -> dict[str, Any]:
    """Write `X | None` as a nullable X, and any other union as `oneOf`."""
    there = [variant for variant in variants if variant.get("type") != "null"]
    if len(there) < len(variants):
        simple["nullable"] = True
        if simple.get("default", ...) is None:
            del simple["default"]  # that it may be left out says as much
    if len(there) == 1:
        return {**there[0], **simple}
    return {**simple, "oneOf": there}
