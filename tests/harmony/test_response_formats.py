"""Response formats stand at the end of the developer message, as OpenAI publishes them."""

import re
from typing import Any

import pytest

from ostinato.harmony import (
    DeveloperContent,
    HarmonyError,
    Message,
    ResponseFormat,
    SchemaMode,
    Tokenizer,
    ToolDescription,
    ToolNamespace,
    render,
)

SHOPPING = {
    "properties": {
        "items": {"type": "array", "description": "entries on the shopping list", "items": {"type": "string"}}
    },
    "type": "object",
}


def written(content: DeveloperContent, tokenizer: Tokenizer, mode: SchemaMode = SchemaMode.FIXED) -> str:
    text = tokenizer.decode(render([Message.developer(content)], tokenizer, next_role=None, schema_mode=mode))
    return text.removeprefix("<|start|>developer<|message|>").removesuffix("<|end|>")


@pytest.mark.parametrize("mode", SchemaMode)
def test_1_5_a_response_format_is_written_as_published(mode: SchemaMode, tokenizer: Tokenizer) -> None:
    content = DeveloperContent(
        instructions="You are a helpful shopping assistant",
        response_formats=(ResponseFormat(name="shopping_list", schema=SHOPPING),),
    )

    assert written(content, tokenizer, mode) == (
        "# Instructions\n\nYou are a helpful shopping assistant\n\n# Response Formats\n\n## shopping_list\n\n"
        '{"properties":{"items":{"type":"array","description":"entries on the shopping list",'
        '"items":{"type":"string"}}},"type":"object"}'
    )


def test_1_5_a_description_is_a_comment_and_formats_follow_the_tools(tokenizer: Tokenizer) -> None:
    functions = ToolNamespace(name="functions", tools=(ToolDescription(name="f", description=""),))
    first = ResponseFormat(name="a", schema={"const": "é"}, description="One line\nand another")
    content = DeveloperContent(
        tools=(functions,), response_formats=(first, ResponseFormat(name="b", schema={}, description=""))
    )

    assert written(content, tokenizer) == (
        "# Tools\n\n## functions\n\nnamespace functions {\n\ntype f = () => any;\n\n} // namespace functions\n\n"
        '# Response Formats\n\n## a\n\n// One line\n// and another\n{"const":"é"}\n\n## b\n\n{}'
    )


@pytest.mark.parametrize("schema", [{"default": {1, 2}}, {"default": object()}], ids=["set", "object"])
def test_a_schema_that_is_no_json_is_refused_by_its_format(schema: dict[str, Any], tokenizer: Tokenizer) -> None:
    content = DeveloperContent(response_formats=(ResponseFormat(name="shape", schema=schema),))

    with pytest.raises(HarmonyError, match="the schema of response format 'shape' is no JSON"):
        written(content, tokenizer)


@pytest.mark.parametrize("schema", [["a"], True, None, "object"])
def test_what_is_no_schema_is_refused_in_a_line(schema: object) -> None:
    with pytest.raises(
        TypeError, match=rf"^the schema of 'a' is {re.escape(repr(schema))}; give a JSON schema, [^\n]+$"
    ):
        ResponseFormat(name="a", schema=schema)  # type: ignore[arg-type]
