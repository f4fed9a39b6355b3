"""A typed function becomes a tool: what the model is told, what its arguments become, what it is answered."""

import asyncio
import json
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from ostinato.harmony import DeveloperContent, Message, Tokenizer, render
from ostinato.tools import FunctionTool, ToolError, ToolRequest, tool


class Point(BaseModel):
    x: float
    y: float = 0.0


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Unit(Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclass(frozen=True)
class Reading:
    city: str
    degrees: float


@tool
def get_weather(city: str, unit: Literal["C", "F"] = "C", days: int | None = None) -> dict[str, object]:
    """Get the weather.

    It is always fine.

    Args:
        city: The city's name,
            in English.
        unit: Celsius or Fahrenheit.
    """
    return {"city": city, "unit": unit, "days": days}


async def call(called: FunctionTool[..., Any], arguments: object) -> str:
    content = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return await called.call(ToolRequest(recipient=called.name, content=content))


def properties(called: FunctionTool[..., Any]) -> dict[str, Any]:
    assert called.description.parameters is not None
    found = called.description.parameters["properties"]
    assert isinstance(found, dict)
    return found


def test_the_docstring_tells_the_model_what_the_function_and_its_parameters_are_for() -> None:
    assert get_weather.name == "functions.get_weather"
    assert get_weather.namespace.name == "functions"
    assert get_weather.description.description == "Get the weather.\n\nIt is always fine."
    assert get_weather.description.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city's name,\nin English."},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C", "description": "Celsius or Fahrenheit."},
            "days": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "required": ["city"],
    }


@pytest.mark.parametrize(
    "docstring",
    [
        "Shout.\n\nArgs:\n    text: What to shout.",
        "Shout.\n\n:param text: What to shout.",
        "Shout.\n\nParameters\n----------\ntext\n    What to shout.",
    ],
    ids=["google", "sphinx", "numpy"],
)
def test_docstrings_of_every_common_style_are_read(docstring: str) -> None:
    def shout(text: str) -> str:
        return text.upper()

    shout.__doc__ = docstring

    described = tool(shout)

    assert described.description.description == "Shout."
    assert properties(described)["text"]["description"] == "What to shout."


def test_a_function_without_parameters_has_no_schema() -> None:
    @tool
    def now() -> str:
        return "noon"

    assert now.description.parameters is None
    assert now.description.description == ""


def test_types_of_any_depth_reach_the_model() -> None:
    @tool
    def draw(points: list[Point], unit: Unit, at: Point | None, size: int | str) -> str:
        """Draw."""
        return ""

    tokenizer = Tokenizer.o200k_harmony()
    message = Message.developer(DeveloperContent(tools=(draw.namespace,)))
    told = tokenizer.decode(render([message], tokenizer, next_role=None))

    for line in (
        "// Draw.",
        "points: {",
        "    y?: number, // default: 0.0",
        'unit: "C" | "F",',
        "size: number | string,",
    ):
        assert line in told.splitlines()
    assert "} | null," in told
    assert "// Point" not in told


async def test_a_recursive_type_is_still_validated_to_any_depth() -> None:
    @tool
    def plant(tree: Tree) -> str:
        return tree.children[0].name

    assert await call(plant, {"tree": {"name": "oak", "children": [{"name": "acorn"}]}}) == "acorn"


async def test_a_string_is_answered_as_it_is_and_anything_else_as_json() -> None:
    @tool
    def text() -> str:
        return "plain “text”"

    @tool
    def reading() -> Reading:
        return Reading(city="Zürich", degrees=21.5)

    @tool
    def nothing() -> None:
        return None

    assert await call(text, {}) == "plain “text”"
    assert await call(reading, {}) == '{"city": "Zürich", "degrees": 21.5}'
    assert await call(nothing, "") == "null"


async def test_arguments_arrive_as_their_types() -> None:
    @tool
    def distance(
        a: Point, b: Point, copy: bool = False, _unit: Annotated[str, Field(description="m or km")] = "m"
    ) -> str:
        return f"{b.x - a.x:.1f} {_unit} {copy}"

    assert await call(distance, {"a": {"x": 1}, "b": {"x": "4"}, "copy": True}) == "3.0 m True"
    assert properties(distance)["_unit"]["description"] == "m or km"


async def test_an_async_function_is_awaited() -> None:
    @tool
    async def shout(text: str) -> str:
        return text.upper()

    assert await call(shout, {"text": "hi"}) == "HI"


async def test_a_sync_function_does_not_block_the_event_loop() -> None:
    @tool
    def where() -> str:
        return threading.current_thread().name

    assert await call(where, {}) != threading.current_thread().name


def test_a_tool_can_still_be_called_as_the_function_it_was() -> None:
    assert get_weather("Oslo", days=2) == {"city": "Oslo", "unit": "C", "days": 2}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ('{"city": "Osl', "the arguments are not JSON: Unterminated string"),
        ("[1]", "the arguments are a list, not a JSON object"),
        ('{"city": ' * 100_000, "the arguments are not JSON: maximum recursion depth exceeded"),
        ("{}", "'city' is missing"),
        ('{"city": 7}', "'city' is 7: input should be a valid string"),
        ('{"city": "Oslo", "unit": "K"}', "'unit' is 'K': input should be 'C' or 'F'"),
        ('{"city": "Oslo", "town": 1, "days": "x"}', "there is no parameter 'town'"),
    ],
)
async def test_arguments_that_do_not_fit_are_answered_with_what_is_wrong_and_the_signature(
    arguments: str, complaint: str
) -> None:
    with pytest.raises(ToolError) as raised:
        await call(get_weather, arguments)

    assert complaint in str(raised.value)
    assert "the signature is get_weather(city: str, unit: Literal['C', 'F'] = 'C'" in str(raised.value)


async def test_a_line_break_inside_a_json_string_is_read_as_the_model_meant_it() -> None:
    assert json.loads(await call(get_weather, '{"city": "New\nYork"}'))["city"] == "New\nYork"


async def test_an_error_of_the_function_itself_is_no_message_for_the_model() -> None:
    @tool
    def broken() -> str:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError):
        await call(broken, {})


async def test_a_function_that_runs_out_of_items_is_a_defect_like_any_other() -> None:
    @tool
    def following() -> str:
        return next(iter([]))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(call(following, {}), 10)


def test_a_function_the_model_could_not_call_is_refused_at_once() -> None:
    def untyped(x) -> str:  # type: ignore[no-untyped-def]
        return str(x)

    def variadic(*texts: str) -> str:
        return "".join(texts)

    def positional(x: int, /) -> str:
        return str(x)

    with pytest.raises(TypeError, match="annotate parameter 'x'"):
        tool(untyped)
    with pytest.raises(TypeError, match=r"\*texts: str is variadic"):
        tool(variadic)
    with pytest.raises(TypeError, match="x: int is positional-only"):
        tool(positional)
