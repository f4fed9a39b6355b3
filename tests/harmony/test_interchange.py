"""R9: what openai-harmony writes as JSON we read, and what we write it reads."""

import json
from typing import Any

import openai_harmony
import pytest
from hypothesis import given
from tests.fuzz import examples
from tests.harmony.conftest import their_conversation
from tests.harmony.strategies import conversations

from ostinato.harmony import (
    DeveloperContent,
    DropAnalysis,
    HarmonyError,
    Message,
    RecipientPosition,
    ResponseFormat,
    Role,
    SchemaMode,
    SystemContent,
    Tokenizer,
    ToolNamespace,
    render,
)
from ostinato.harmony.interchange import (
    conversation_from_json,
    conversation_to_json,
    message_from_dict,
    message_to_dict,
)

CONFIG = {"auto_drop_analysis": True}


def as_the_library(messages: list[Message], tokenizer: Tokenizer) -> list[int]:
    return render(
        messages,
        tokenizer,
        next_role=None,
        drop_analysis=DropAnalysis.PARITY,
        recipient_position=RecipientPosition.ROLE,
        schema_mode=SchemaMode.PARITY,
    )


@examples(60)
@given(messages=conversations)
def test_r9_what_the_library_writes_we_read(messages: list[Message], tokenizer: Tokenizer, library: Any) -> None:
    theirs = their_conversation(messages)

    read = conversation_from_json(theirs.to_json())

    assert as_the_library(list(read), tokenizer) == library.encoding.render_conversation(theirs)


@examples(60)
@given(messages=conversations)
def test_r9_what_we_write_the_library_reads(messages: list[Message], tokenizer: Tokenizer, library: Any) -> None:
    text = conversation_to_json(messages)

    assert openai_harmony.Conversation.from_json(text) == their_conversation(messages)
    assert library.encoding._inner.render_conversation(text, CONFIG) == as_the_library(messages, tokenizer)


@examples(60)
@given(messages=conversations)
def test_r9_a_conversation_survives_its_json(messages: list[Message]) -> None:
    assert [*map(written, conversation_from_json(conversation_to_json(messages)))] == [*map(written, messages)]


def written(message: Message) -> Any:
    """Write a message for comparison: NaN and the order of namespaces aside, equal JSON is an equal message."""
    return json.loads(json.dumps(message_to_dict(message)))


def test_r9_what_the_librarys_parser_writes_we_read(tokenizer: Tokenizer, library: Any) -> None:
    message = Message.assistant("{}", channel="commentary", recipient="functions.f", content_type="<|constrain|>json")
    ids = render([message], tokenizer, next_role=None, recipient_position=RecipientPosition.ROLE)

    (parsed,) = json.loads(library.encoding._inner.parse_messages_from_completion_tokens(ids, None, True))

    assert parsed["content"] == "{}"  # one text is a plain string
    assert message_from_dict(parsed) == message


def test_r9_a_missing_field_is_no_default_as_for_the_librarys_renderer(tokenizer: Tokenizer, library: Any) -> None:
    text = '{"messages": [{"role": "system", "content": [{"type": "system_content"}]}]}'

    (message,) = conversation_from_json(text)

    assert message == Message.system(
        SystemContent(model_identity=None, knowledge_cutoff=None, reasoning_effort=None, valid_channels=())
    )
    assert library.encoding._inner.render_conversation(text, CONFIG) == as_the_library([message], tokenizer)


@pytest.mark.parametrize("effort", ["Low", "Medium", "High"])
def test_r9_efforts_are_capitalised(effort: str) -> None:
    content = {"type": "system_content", "reasoning_effort": effort}

    message = message_from_dict({"role": "system", "content": [content]})

    assert isinstance(message.content[0], SystemContent)
    assert message.content[0].reasoning_effort == effort.lower()
    assert message_to_dict(message)["content"][0]["reasoning_effort"] == effort


def test_what_is_ours_survives_and_the_library_passes_over_it(library: Any) -> None:
    form = ResponseFormat(name="shape", schema={"type": "object"}, description="A shape")
    messages = [
        Message.developer(DeveloperContent(response_formats=(form,))),
        Message(author=Message.user("").author, content=("x",), ids=(1, 2)),
    ]
    text = conversation_to_json(messages)

    assert list(conversation_from_json(text)) == messages
    assert library.encoding.decode(library.encoding._inner.render_conversation(text, CONFIG)) == (
        "<|start|>developer<|message|><|end|><|start|>user<|message|>x<|end|>"
    )


TEXT = {"type": "text", "text": "x"}
CLASHING = {"type": "developer_content", "tools": {"a": {"name": "b", "tools": []}}}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"content": "x"}, "'role' is missing$"),
        ({"role": "bot", "content": "x"}, "'role' is 'bot': Input should be 'system', 'developer', 'user'"),
        ({"role": "user"}, "'content' is missing$"),
        ({"role": "user", "content": 7}, "'content' is 7: "),
        ({"role": "user", "content": [{"type": "image"}]}, "'content.0' is .*'text', 'system_content', 'develop"),
        ({"role": "user", "content": [{"type": "text"}]}, r"'content\.0\.text\.text' is missing$"),
        ({"role": "user", "content": "x", "channel": 3}, "'channel' is 3: "),
        ({"role": "system", "content": [{"type": "system_content", "reasoning_effort": "low"}]}, "is 'low': .*'Low'"),
        ({"role": "developer", "content": [CLASHING]}, "the namespace 'b' stands under 'a'; name it the same"),
        ("x" * 1000, r"'it' is 'x{79}…: "),
        (None, "'it' is None: an object is needed$"),
    ],
)
def test_what_is_no_message_is_refused_in_one_line(fields: Any, complaint: str) -> None:
    with pytest.raises(HarmonyError, match=f"^not a message of openai-harmony: .*{complaint}") as caught:
        message_from_dict(fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"messages": {}}', "[" * 100_000, '{"messages": [1]}'], ids=range(6))
def test_what_is_no_conversation_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(HarmonyError) as caught:
        conversation_from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_no_json_can_hold_is_refused() -> None:
    twice = DeveloperContent(tools=(ToolNamespace(name="a"), ToolNamespace(name="a")))
    unwritable = DeveloperContent(response_formats=(ResponseFormat(name="a", schema={"x": {1}}),))

    with pytest.raises(HarmonyError, match="two namespaces are named 'a'"):
        message_to_dict(Message.developer(twice))
    with pytest.raises(HarmonyError, match="the conversation is no JSON"):
        conversation_to_json([Message.developer(unwritable)])


def test_roles_are_written_as_words() -> None:
    assert [message_to_dict(Message.user("x"))["role"]] == [Role.USER.value]
    assert message_to_dict(Message.user("x"))["content"] == [TEXT]
