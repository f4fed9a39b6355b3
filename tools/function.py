"""`@tool`: a typed Python function, sync or async, becomes a tool the model can call."""

import asyncio
import inspect
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from ostinato.harmony import ToolDescription, ToolNamespace
from ostinato.tools.arguments import Parameters, read_arguments
from ostinato.tools.schema import arguments_model, parameters_schema, text_parameter
from ostinato.tools.tool import ToolRequest

P = ParamSpec("P")
R = TypeVar("R")


class FunctionTool(Generic[P, R]):
    """A function as a tool; calling it still calls the function."""

    def __init__(self, function: Callable[P, R]) -> None:
        self._function = function
        self.name = f"functions.{function.__name__}"
        self.__doc__ = function.__doc__
        text, descriptions = _described(function)
        self._arguments = arguments_model(function, descriptions)
        self.description = ToolDescription(
            name=function.__name__, description=text, parameters=parameters_schema(self._arguments)
        )
        self._parameters = Parameters(
            function=function.__name__,
            signature=self.signature,
            validate=self._validated,
            text_parameter=text_parameter(self._arguments),
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self._function(*args, **kwargs)

    @property
    def namespace(self) -> ToolNamespace:
        """The function as the developer message declares it."""
        return ToolNamespace(name="functions", tools=(self.description,))

    @property
    def signature(self) -> str:
        """What a right call looks like, for the model."""
        return f"{self.description.name}{inspect.signature(self._function)}"

    async def call(self, request: ToolRequest) -> str:
        """Call the function with the arguments the model wrote; a sync function runs in a thread.

        Raises:
            ToolError: if the arguments do not fit the signature, or by the function itself.
        """
        arguments = read_arguments(request, self._parameters)
        call = partial(cast("Callable[..., object]", self._function), **arguments)
        result = call() if inspect.iscoroutinefunction(self._function) else await asyncio.to_thread(_called, call)
        return _as_text(await result if inspect.isawaitable(result) else result)

    async def close(self) -> None:
        """Free nothing: a function holds nothing."""

    def _validated(self, written: dict[str, Any]) -> dict[str, Any]:
        try:
            model = self._arguments.model_validate(written)
        except ValidationError as error:
            raise ValueError(_faults(error)) from error
        fields = type(model).model_fields.items()
        return {str(field.alias): getattr(model, name) for name, field in fields}


def tool(function: Callable[P, R]) -> FunctionTool[P, R]:
    """Make a tool of a typed function; its docstring tells the model what it and its parameters are for.

    The docstring may be in Google, NumPy or Sphinx style. A result that is a string is given to the model as it is,
    any other as JSON. Raise `ToolError` for what the model can mend.

    Raises:
        TypeError: if a parameter has no annotation or cannot be passed by name.
    """
    return FunctionTool(function)


def _called(call: Callable[[], object]) -> object:
    """Call, and let no StopIteration out: a future cannot hold one, and its waiter would wait for ever (PEP 479)."""
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError("the function raised StopIteration") from error


def _described(function: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """Return what the docstring says of the function, and of each of its parameters."""
    import griffe  # 0.1 s that only users of `@tool` pay

    quiet = griffe.PerStyleOptions(
        google=griffe.GoogleOptions(warnings=False),
        numpy=griffe.NumpyOptions(warnings=False),
        sphinx=griffe.SphinxOptions(warnings=False),
    )
    docstring = griffe.Docstring(inspect.getdoc(function) or "")
    sections = griffe.parse_auto(docstring, method="max_sections", per_style_options=quiet)
    texts = [section.value for section in sections if isinstance(section, griffe.DocstringSectionText)]
    parameters = [section.value for section in sections if isinstance(section, griffe.DocstringSectionParameters)]
    described = {parameter.name: parameter.description for section in parameters for parameter in section}
    return "\n\n".join(texts), described


def _faults(error: ValidationError) -> str:
    """Say what is wrong with each argument in one line."""
    faults = error.errors(include_url=False, include_context=False)
    return "; ".join(_fault(fault["loc"], fault["msg"], fault["input"], kind=fault["type"]) for fault in faults)


def _fault(location: tuple[int | str, ...], message: str, value: object, *, kind: str) -> str:
    path = ".".join(str(part) for part in location)
    if kind == "missing":
        return f"{path!r} is missing"
    if kind == "extra_forbidden":
        return f"there is no parameter {path!r}"
    return f"{path!r} is {value!r}: {message[0].lower()}{message[1:]}"


def _as_text(result: object) -> str:
    return result if isinstance(result, str) else json.dumps(to_jsonable_python(result), ensure_ascii=False)
