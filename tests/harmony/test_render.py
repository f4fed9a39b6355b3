"""Our own form of a conversation: exact history, calls where the model writes them, only stale reasoning dropped."""

from dataclasses import replace

import pytest
from hypothesis import given
from tests.fuzz import examples
from tests.harmony.conftest import Spell
from tests.harmony.strategies import conversations

from ostinato.harmony import (
    Author,
    Conversation,
    DeveloperContent,
    DropAnalysis,
    HarmonyError,
    Message,
    Role,
    SystemContent,
    Tokenizer,
    render,
    render_training,
)

QUESTION = Message.user("2+2?")
THOUGHT = Message.assistant("think", channel="analysis")
CALL = Message.assistant("{}", channel="commentary", recipient="functions.x", content_type="<|constrain|>json")
REPLY = Message.tool("4", name="functions.x", channel="commentary")
PYTHON = Message.assistant("2+2", channel="analysis", recipient="python", content_type="code")
PRINTED = Message.tool("4", name="python", channel="analysis")
ANSWER = Message.assistant("4", channel="final")


def shown(messages: list[Message], tokenizer: Tokenizer) -> list[str]:
    """Name the messages that are still there after rendering."""
    text = tokenizer.decode(render(messages, tokenizer, next_role=None))
    return [part.split("<|message|>")[1] for part in text.replace("<|call|>", "<|end|>").split("<|end|>")[:-1]]


def test_a_conversation_ends_with_the_prompt_of_the_next_message(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = render(Conversation([QUESTION]), tokenizer)

    assert ids == spell("<|start|>user<|message|>2+2?<|end|><|start|>assistant")


def test_a_call_names_its_recipient_where_the_model_writes_it(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = render([CALL, PYTHON], tokenizer, next_role=None)

    assert ids == spell(
        "<|start|>assistant<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}<|call|>"
        "<|start|>assistant<|channel|>analysis to=python code<|message|>2+2<|call|>"
    )


def test_a_reply_comes_from_its_tool_to_the_assistant(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = render([PRINTED], tokenizer, next_role=None)

    assert ids == spell("<|start|>python to=assistant<|channel|>analysis<|message|>4<|end|>")


def test_a_sampled_message_is_rendered_as_it_was_sampled(tokenizer: Tokenizer, spell: Spell) -> None:
    sampled = [*spell("<|start|>assistant<|channel|>final<|message|>"), *map(ord, "xyz"), tokenizer.end]

    assert render([replace(ANSWER, ids=tuple(sampled))], tokenizer, next_role=None) == sampled


@pytest.mark.parametrize("terminator", ["<|return|>", "<|endoftext|>", ""])
def test_a_sampled_answer_ends_as_history_does(terminator: str, tokenizer: Tokenizer, spell: Spell) -> None:
    sampled = spell("<|start|>assistant<|channel|>final<|message|>4")
    answer = replace(ANSWER, ids=(*sampled, *spell(terminator)))

    assert render([answer], tokenizer, next_role=None) == [*sampled, tokenizer.end]


def test_a_cut_call_ends_as_a_call(tokenizer: Tokenizer, spell: Spell) -> None:
    sampled = spell("<|start|>assistant<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}")

    assert render([replace(CALL, ids=tuple(sampled))], tokenizer, next_role=None) == [*sampled, tokenizer.call]


def test_a_message_sampled_without_its_start_gets_one(tokenizer: Tokenizer, spell: Spell) -> None:
    answer = replace(ANSWER, ids=tuple(spell("<|channel|>final<|message|>4<|return|>")))

    ids = render([answer], tokenizer, next_role=None)

    assert ids == spell("<|start|>assistant<|channel|>final<|message|>4<|end|>")


def test_reasoning_of_answered_turns_is_dropped_and_calls_are_kept(tokenizer: Tokenizer) -> None:
    messages = [QUESTION, THOUGHT, PYTHON, PRINTED, THOUGHT, ANSWER, QUESTION, THOUGHT, ANSWER, QUESTION]

    assert shown(messages, tokenizer) == ["2+2?", "2+2", "4", "4", "2+2?", "4", "2+2?"]


def test_reasoning_of_the_turn_that_goes_on_is_kept(tokenizer: Tokenizer) -> None:
    messages = [QUESTION, THOUGHT, ANSWER, QUESTION, THOUGHT, CALL, REPLY]

    assert shown(messages, tokenizer) == ["2+2?", "4", "2+2?", "think", "{}", "4"]


def test_an_earlier_turn_is_rendered_the_same_while_the_next_one_goes_on(tokenizer: Tokenizer) -> None:
    turn = [QUESTION, THOUGHT, ANSWER, QUESTION]

    before = render(turn, tokenizer, next_role=None)

    for length in range(4):
        after = render(turn + [THOUGHT, CALL, REPLY][:length], tokenizer, next_role=None)
        assert after[: len(before)] == before


def test_all_reasoning_can_be_kept(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = render([THOUGHT, ANSWER], tokenizer, drop_analysis=DropAnalysis.NONE, next_role=None)

    assert ids[:5] == spell("<|start|>assistant<|channel|>analysis<|message|>")


def learnt(messages: list[Message], tokenizer: Tokenizer) -> str:
    ids, mask = render_training(messages, tokenizer)
    assert len(ids) == len(mask)
    return tokenizer.decode(number for number, is_sampled in zip(ids, mask, strict=True) if is_sampled)


def test_a_model_learns_what_it_would_have_sampled(tokenizer: Tokenizer) -> None:
    assert learnt([QUESTION, THOUGHT, CALL, REPLY, THOUGHT, ANSWER], tokenizer) == (
        "<|channel|>analysis<|message|>think<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}<|call|>"
        "<|channel|>analysis<|message|>think<|end|>"
        "<|start|>assistant<|channel|>final<|message|>4<|return|>"
    )


def test_a_model_does_not_learn_to_end_an_answer_as_history_does(tokenizer: Tokenizer) -> None:
    assert learnt([QUESTION, ANSWER, QUESTION, ANSWER], tokenizer) == (
        "<|channel|>final<|message|>4<|channel|>final<|message|>4<|return|>"
    )


def test_a_generation_ends_with_its_answer_or_call(tokenizer: Tokenizer) -> None:
    assert learnt([CALL, CALL, ANSWER, ANSWER], tokenizer).count("<|start|>") == 0


def test_a_model_learns_the_ids_that_were_sampled(tokenizer: Tokenizer, spell: Spell) -> None:
    sampled = spell("<|start|>assistant<|channel|>final<|message|>") + [tokenizer.encode("a")[0]] * 3
    message = replace(ANSWER, ids=(*sampled, tokenizer.return_))

    ids, mask = render_training([message], tokenizer)

    assert ids == [*sampled, tokenizer.return_]
    assert mask == [0, 0] + [1] * (len(ids) - 2)


def test_nothing_is_dropped_for_training(tokenizer: Tokenizer) -> None:
    assert learnt([QUESTION, THOUGHT, ANSWER], tokenizer).startswith("<|channel|>analysis")


def test_a_tool_message_without_a_name_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(HarmonyError, match="needs the name of its tool"):
        render([Message(author=Author(role=Role.TOOL), content=("4",))], tokenizer)


@pytest.mark.parametrize("content", [SystemContent(), DeveloperContent()])
def test_a_preamble_in_a_message_of_the_user_is_refused(
    content: SystemContent | DeveloperContent, tokenizer: Tokenizer
) -> None:
    with pytest.raises(HarmonyError, match="not in one of role 'user'"):
        render([Message(author=Author(role=Role.USER), content=(content,))], tokenizer)


def test_reasoning_that_opens_a_conversation_is_kept_until_it_is_answered(tokenizer: Tokenizer) -> None:
    assert shown([THOUGHT, CALL], tokenizer) == ["think", "{}"]
    assert shown([THOUGHT, CALL, ANSWER], tokenizer) == ["{}", "4"]


@examples(100)
@given(messages=conversations)
def test_what_is_learnt_is_what_is_rendered_but_for_the_last_answers_end(
    messages: list[Message], tokenizer: Tokenizer
) -> None:
    rendered = render(messages, tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE)

    ids, mask = render_training(messages, tokenizer)

    ends_with_answer = bool(messages) and messages[-1].author.role == "assistant" and messages[-1].channel == "final"
    assert ids[:-1] == rendered[:-1]
    assert ids[-1:] == ([tokenizer.return_] if ends_with_answer else rendered[-1:])
    assert len(mask) == len(ids)
    assert any(mask) == any(message.author.role == "assistant" for message in messages)


def test_only_the_assistants_own_words_are_learnt(tokenizer: Tokenizer) -> None:
    assert learnt([Message.system(SystemContent()), QUESTION, REPLY], tokenizer) == ""
    assert learnt([REPLY, THOUGHT, THOUGHT], tokenizer) == (
        "<|channel|>analysis<|message|>think<|end|><|start|>assistant<|channel|>analysis<|message|>think<|end|>"
    )
