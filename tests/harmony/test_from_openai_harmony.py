"""docs/from-openai-harmony.md: its code runs, and what it calls the same is the same."""

from dataclasses import replace
from typing import Any

import openai_harmony
import pytest
from tests.documents import code_rows, python_blocks
from tests.harmony.conftest import Spell, their_conversation

from ostinato import harmony
from ostinato.harmony import Content, DeveloperContent, Message, StreamParser, SystemContent, Tokenizer
from ostinato.harmony import interchange as our_json

PAGE = "docs/from-openai-harmony.md"
ROWS = code_rows(PAGE)
MESSAGES = [
    Message.user("What is 2 + 2?"),
    Message.assistant("Easy.", channel="analysis"),
    Message.assistant("4", channel="final"),
]
HALF = '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": '
DIFFERS = {"Tokenizer.o200k_harmony()", "StreamParser(tokenizer)", "parser.feed(number)", "parser.finish()"}


@pytest.fixture
def theirs(library: Any, spell: Spell) -> dict[str, Any]:
    parser = openai_harmony.StreamableParser(library.encoding, openai_harmony.Role.ASSISTANT)
    for number in spell(HALF):
        parser.process(number)
    conversation = their_conversation(MESSAGES)
    values = {
        "encoding": library.encoding,
        "conversation": conversation,
        "messages": conversation.messages,
        "message": conversation.messages[0],
        "parser": parser,
    }
    return {**vars(openai_harmony), **values}


@pytest.fixture
def ours(tokenizer: Tokenizer, spell: Spell) -> dict[str, Any]:
    parser = StreamParser(tokenizer)
    for number in spell(HALF):
        parser.feed(number)
    values = {
        "tokenizer": tokenizer,
        "conversation": MESSAGES,
        "messages": MESSAGES,
        "message": MESSAGES[0],
        "parser": parser,
    }
    return {**vars(harmony), **vars(our_json), **values}


@pytest.fixture
def given(theirs: dict[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "text": theirs["conversation"].to_json(),
        "fields": theirs["message"].to_dict(),
        "ids": tokenizer.encode("The answer is 4."),
        "number": tokenizer.encode("1")[0],
    }


@pytest.mark.parametrize(("their_call", "our_call"), ROWS, ids=[ours for _, ours in ROWS])
def test_what_is_called_the_same_is_the_same(
    their_call: str, our_call: str, theirs: dict[str, Any], ours: dict[str, Any], given: dict[str, Any]
) -> None:
    expected = eval(their_call, theirs | given)
    made = eval(our_call, ours | given)

    if our_call == "tokenizer.stop_ids":
        assert made - set(expected) == {ours["tokenizer"].special_ids()["<|endoftext|>"]}
    elif our_call not in DIFFERS:
        assert plain(made) == plain(expected)


def plain(value: Any) -> Any:
    """Make values of the two packages comparable: theirs go through their JSON."""
    match value:
        case openai_harmony.Conversation():
            return [plain(message) for message in value.messages]
        case harmony.Conversation():
            return list(value)
        case openai_harmony.Message():
            return our_json.message_from_dict(value.to_dict())
        case Message():
            return replace(value, ids=None)
        case openai_harmony.SystemContent():
            return _content("system", value)
        case openai_harmony.DeveloperContent():
            return _content("developer", value)
        case dict():
            return {key: each for key, each in value.items() if each is not None}
        case str() if value.startswith("{"):
            return plain(our_json.conversation_from_json(value))
        case _:
            return value


def _content(role: str, value: Any) -> Content:
    (content,) = our_json.message_from_dict({"role": role, "content": [value.to_dict()]}).content
    assert isinstance(content, SystemContent | DeveloperContent)
    return content


def test_the_code_of_the_page_runs_and_renders_the_librarys_ids(
    library: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}

    for block in python_blocks(PAGE):
        exec(block, names)

    assert capsys.readouterr().out == "analysis Easy\nanalysis .\nfinal 4\n"
    composed = [replace(message, ids=None) for message in names["messages"]]
    assert names["ids"] == library.render(composed)
