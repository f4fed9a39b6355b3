"""The parameters of a typed Python function: a pydantic model that validates a call, and the schema the model sees."""

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema

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
    schema = model.model_json_schema(schema_generator=_Untitled)
    for definition in schema.get("$defs", {}).values():
        definition.pop("title", None)
    return {key: schema[key] for key in ("type", "properties", "required", "$defs") if key in schema}


def text_parameter(model: type[BaseModel]) -> str | None:
    """Return the parameter of a function that takes one string and nothing else, None for any other function."""
    fields = list(model.model_fields.values())
    return fields[0].alias if len(fields) == 1 and fields[0].annotation is str else None


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles of fields, which only repeat their names and would be a comment on each."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _refuse_what_has_no_name(function: Callable[..., object], parameter: inspect.Parameter) -> None:
    if parameter.kind in _POSITIONS:
        kind = _POSITIONS[parameter.kind]
        raise TypeError(f"{function.__name__}: {parameter!s} is {kind}; the model passes every argument by its name")
