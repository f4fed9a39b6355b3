"""Pydantic models as the model sees them: TypeScript that a person would write, kept in `golden/` to be read."""

from pathlib import Path

import pytest
from pydantic import BaseModel
from tests.harmony.models import MODELS, Employee, Recursive, Search, Tree

from ostinato.harmony import DeveloperContent, SchemaMode, ToolDescription, ToolNamespace
from ostinato.harmony.preamble_text import developer_text

GOLDEN = Path(__file__).parent / "golden"


def declared(*models: type[BaseModel]) -> str:
    """Declare a function for each model, named after it, as the developer message does."""
    tools = tuple(
        ToolDescription(name=f"use_{model.__name__.lower()}", description="", parameters=model.model_json_schema())
        for model in models
    )
    text = developer_text(
        DeveloperContent(tools=(ToolNamespace(name="functions", tools=tools),)), schema_mode=SchemaMode.FIXED
    )
    return text.removeprefix("# Tools\n\n## functions\n\n") + "\n"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_a_model_is_shown_as_a_person_would_write_it(model: type[BaseModel]) -> None:
    assert declared(model) == (GOLDEN / f"{model.__name__.lower()}.ts").read_text(encoding="utf-8")


def test_functions_share_the_types_they_have_in_common() -> None:
    text = declared(Tree, Recursive, Search, Employee)

    assert text.count("type Tree = ") == 1
    assert text.index("type Tree = ") < text.index("type use_tree = (_: Tree) => any;")
    assert text.count("type Query =") == text.count("type Employee = ") == 1
