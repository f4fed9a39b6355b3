"""Read the arguments of a call: from what the model wrote to what a function takes.

gpt-oss writes arguments that are not the JSON that was asked for in about as many ways as there are reports
(docs/recovery.md, rows 25 and 26). What it wrote goes up a ladder until a rung has a reading that fits the function:

1. it is JSON
2. the brackets at its end are made the right ones          {"city": "Oslo"}]    {"city": {"name": "Oslo"}
3. an object stands in other text                           We need Oslo: {"city": "Oslo"}
4. quotes, commas, colons are made JSON's                   {city: 'Oslo'}
5. the text is the one string that the function takes       ls -R

On each rung the object may also be wrapped: in an array of one, in a string, or in an envelope with the function's
name, `{"name": "get_weather", "arguments": {…}}`. A rung with several readings that fit has none, for choosing would be
a guess. If no rung has one, the model is told what was wrong and what the function takes.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ostinato.harmony.tool_names import safe_names
from ostinato.tools.json_mend import objects_in, parsed, with_right_brackets, with_right_syntax
from ostinato.tools.repair import CallRepair, CallRepairKind
from ostinato.tools.tool import ToolError, ToolRequest

T = TypeVar("T")

_MAX_LAYERS = 4
_RUNGS = (
    (CallRepairKind.BRACKETS, with_right_brackets),
    (CallRepairKind.SURROUNDED, objects_in),
    (CallRepairKind.SYNTAX, with_right_syntax),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters(Generic[T]):
    """What a function takes.

    `validate` makes of a JSON object what the tool needs, and raises ValueError with one line for the model if it does
    not fit. `text_parameter` names the parameter of a function that takes one string and nothing else.
    """

    function: str
    signature: str
    validate: Callable[[dict[str, Any]], T]
    text_parameter: str | None = None


def read_arguments(request: ToolRequest, parameters: Parameters[T]) -> T:
    """Return the arguments of a call, mended if need be; a mend is recorded in the request.

    Raises:
        ToolError: if they cannot be read, or only by guessing.
    """
    text = request.content
    try:
        written = parsed(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        fault = f"the arguments are not JSON: {error}"
        found = _mended(text, parameters)
    else:
        try:
            return _validated(written, parameters)
        except ValueError as error:
            fault = str(error)
        found = _fitting(CallRepairKind.WRAPPED, [written], parameters)
    if found is None:
        raise ToolError(f"{fault}; the signature is {parameters.signature}")
    kind, values = found
    request.repairs.append(CallRepair(kind=kind, written=text, assumed=json.dumps(values, ensure_ascii=False)))
    return parameters.validate(values)


_Found = tuple[CallRepairKind, dict[str, Any]]


def _mended(text: str, parameters: Parameters[T]) -> _Found | None:
    """Return the first reading of what is not JSON, and the kind of mend."""
    for kind, rung in _RUNGS:
        if found := _fitting(kind, rung(text), parameters):
            return found
    return _bare_text(text, parameters)


def _bare_text(text: str, parameters: Parameters[T]) -> _Found | None:
    """Take the text as the one string of the function, unless it looks like broken JSON."""
    if parameters.text_parameter is None or text.lstrip().startswith(("{", "[", '"', "'", "`")) or '{"' in text:
        return None
    return _fitting(CallRepairKind.BARE_TEXT, [{parameters.text_parameter: text}], parameters)


def _fitting(kind: CallRepairKind, readings: list[object], parameters: Parameters[T]) -> _Found | None:
    """Return the reading that fits.

    Raises:
        ToolError: if there are several.
    """
    found: list[_Found] = []
    for reading in readings:
        fitting = (each for each in enumerate(_layers(reading, parameters)) if _fits(each[1], parameters))
        depth, values = next(fitting, (0, None))
        if values is not None and all(values != other for _, other in found):
            found.append((CallRepairKind.WRAPPED if depth else kind, values))
    if len(found) > 1:
        raise ToolError(f"the call holds {len(found)} objects with arguments; write one, and nothing else")
    return found[0] if found else None


def _fits(value: dict[str, Any], parameters: Parameters[T]) -> bool:
    try:
        parameters.validate(value)
    except ValueError:
        return False
    return True


def _validated(value: object, parameters: Parameters[T]) -> T:
    if not isinstance(value, dict):
        raise ValueError(f"the arguments are a {type(value).__name__}, not a JSON object")
    return parameters.validate(value)


def _layers(value: object, parameters: Parameters[T]) -> Iterator[dict[str, Any]]:
    """Yield the object, and what it is if it is only a wrapping; an empty object is meant only in an envelope."""
    is_enveloped = False
    for _ in range(_MAX_LAYERS):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str):
            value = _unquoted(value, parameters)
        if not isinstance(value, dict) or not (value or is_enveloped):
            return
        yield value
        value = _enveloped(value, parameters.function)
        is_enveloped = True


def _unquoted(text: str, parameters: Parameters[T]) -> object:
    """Return the object in a JSON string; of other text, an object with it as the one string the function takes."""
    try:
        value = parsed(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    is_broken_object = text.lstrip().startswith("{")
    return {parameters.text_parameter: text} if parameters.text_parameter and not is_broken_object else None


def _enveloped(value: dict[str, Any], function: str) -> object:
    """Return the arguments in an envelope that names this function, or no function; one for another is no envelope."""
    rest = dict(value)
    rest.pop("type", None)
    rest.pop("id", None)
    inner = rest.pop("function", None)
    if isinstance(inner, dict) and not rest:
        return _enveloped(inner, function)
    names = [name for name in (inner, rest.pop("name", None)) if name is not None]
    if not all(isinstance(name, str) and _bare(name) == _bare(function) for name in names):
        return None
    is_envelope = len(rest) == 1 and set(rest) <= {"parameters", "arguments"}
    return next(iter(rest.values())) if is_envelope else None


def _bare(name: str) -> str:
    """Return a function's name as the model knows it, without its namespace."""
    name = name.removeprefix("functions.")
    return safe_names([name])[name]
