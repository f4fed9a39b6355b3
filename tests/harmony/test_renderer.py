"""A renderer that follows a conversation gives what a fresh rendering gives, and encodes only what is new."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples

from ostinato.harmony import (
    Author,
    Conversation,
    DeveloperContent,
    DropAnalysis,
    HarmonyError,
    Message,
    ReasoningEffort,
    RecipientPosition,
    Renderer,
    Role,
    SystemContent,
    Tokenizer,
    ToolDescription,
    ToolNamespace,
    render,
)
from ostinato.harmony.dropping import Selection, kept_messages

FUNCTIONS = ToolNamespace(name="functions", tools=(ToolDescription(name="f", description=""),))
SYSTEM = Message.system(SystemContent())
PLAIN, DECLARING = (Message.developer(DeveloperContent(tools=tools)) for tools in ((), (FUNCTIONS,)))
QUESTION = Message.user("why?")
THOUGHT = Message.assistant("hm", channel="analysis")
CALL = Message.assistant("{}", channel="commentary", recipient="functions.f")
PYTHON = Message.assistant("1", channel="analysis", recipient="python")
REPLY = Message.tool("1", name="functions.f", channel="commentary")
ANSWER = Message.assistant("so", channel="final")
SAMPLED = replace(THOUGHT, ids=(200005, 35644, 200008, 5366, 200007))
ODD = Message(author=Author(role=Role.USER), content=("x",), channel="final")
LOST = Message(author=Author(role=Role.ASSISTANT), content=("x",))
anything = st.sampled_from(
    [SYSTEM, PLAIN, DECLARING, QUESTION, THOUGHT, CALL, PYTHON, REPLY, ANSWER, ANSWER, SAMPLED, ODD, LOST]
)


class CountingTokenizer(Tokenizer):
    """Counts the characters that are encoded."""

    characters = 0

    def encode(self, text: str) -> list[int]:
        self.characters += len(text)
        return super().encode(text)


@examples(300)
@given(
    appended=st.lists(st.lists(anything, max_size=3), max_size=12),
    policy=st.sampled_from(DropAnalysis),
    position=st.sampled_from(RecipientPosition),
    next_role=st.none() | st.sampled_from(Role),
)
def test_after_every_append_it_gives_what_a_fresh_rendering_gives(
    appended: list[list[Message]],
    policy: DropAnalysis,
    position: RecipientPosition,
    next_role: Role | None,
    tokenizer: Tokenizer,
) -> None:
    conversation = Conversation()
    renderer = Renderer(conversation, tokenizer, drop_analysis=policy, recipient_position=position)

    for messages in appended:
        for message in messages:
            conversation.append(message)
        assert renderer.ids(next_role=next_role) == render(
            list(conversation), tokenizer, next_role=next_role, drop_analysis=policy, recipient_position=position
        )


@examples(300)
@given(messages=st.lists(anything, max_size=16))
def test_what_is_kept_is_what_the_policies_say(messages: list[Message]) -> None:
    answers = [index for index, message in enumerate(messages) if message == ANSWER]
    last = max(answers, default=-1)
    spoken = [message for message in messages if message.author.role == Role.ASSISTANT]
    finals = [index for index, message in enumerate(messages) if message.channel == "final"]
    first = finals[0] if spoken and spoken[-1] == ANSWER else -1

    assert kept_messages(messages, DropAnalysis.NONE) == messages
    assert kept_messages(messages, DropAnalysis.COMPLETED_TURNS) == [
        message for index, message in enumerate(messages) if index > last or message not in (THOUGHT, SAMPLED)
    ]
    assert kept_messages(messages, DropAnalysis.PARITY) == [
        message for index, message in enumerate(messages) if index > first or message.channel != "analysis"
    ]


@pytest.mark.parametrize("policy", DropAnalysis)
def test_a_turn_encodes_its_own_messages_and_no_others(policy: DropAnalysis, tokenizer: Tokenizer) -> None:
    counting = CountingTokenizer(tokenizer.encoding)
    conversation = Conversation([SYSTEM, DECLARING])
    renderer = Renderer(conversation, counting, drop_analysis=policy)
    renderer.ids()
    counted = []

    for _ in range(50):
        before = counting.characters
        for message in (QUESTION, THOUGHT, CALL, REPLY, THOUGHT, ANSWER):
            conversation.append(message)
            renderer.ids()
        counted.append(counting.characters - before)

    assert len(set(counted)) == 1
    assert counted[0] < 150


def test_a_growing_turn_extends_the_prompt(tokenizer: Tokenizer) -> None:
    conversation = Conversation([SYSTEM, DECLARING, QUESTION])
    renderer = Renderer(conversation, tokenizer)
    before = renderer.ids()

    for message in (THOUGHT, CALL, REPLY, SAMPLED):
        conversation.append(message)
        ids = renderer.ids()
        assert ids[: len(before)] == before[: len(ids)]
        before = renderer.ids(next_role=None)


def test_functions_that_are_declared_late_change_the_system_message_alone(tokenizer: Tokenizer) -> None:
    counting = CountingTokenizer(tokenizer.encoding)
    conversation = Conversation([SYSTEM, Message.user("long " * 1000)])
    renderer = Renderer(conversation, counting)
    assert "'functions'" not in tokenizer.decode(renderer.ids())
    before = counting.characters

    conversation.append(DECLARING)

    assert "'functions'" in tokenizer.decode(renderer.ids())
    assert counting.characters - before < 500


def test_a_message_that_cannot_be_rendered_is_refused_each_time(tokenizer: Tokenizer) -> None:
    conversation = Conversation([QUESTION])
    renderer = Renderer(conversation, tokenizer)
    renderer.ids()
    conversation.append(Message(author=Author(role=Role.TOOL), content=("x",)))
    conversation.append(ANSWER)

    for _ in range(2):
        with pytest.raises(HarmonyError, match="needs the name of its tool"):
            renderer.ids()


def test_the_ids_it_gave_are_the_callers_own(tokenizer: Tokenizer) -> None:
    renderer = Renderer(Conversation([QUESTION]), tokenizer)
    renderer.ids(next_role=None).clear()

    assert renderer.ids() == render([QUESTION], tokenizer)


def test_an_answer_changes_nothing_that_was_rendered_before_its_own_turn() -> None:
    selection = Selection(DropAnalysis.COMPLETED_TURNS)
    turn = (QUESTION, THOUGHT, CALL, REPLY, THOUGHT, ANSWER)

    changed = [[selection.append(message) for message in turn] for _ in range(3)]

    assert changed == [[0, 1, 2, 3, 4, 1], [6, 7, 8, 9, 10, 7], [12, 13, 14, 15, 16, 13]]


def test_a_revised_message_is_rendered_anew(tokenizer: Tokenizer) -> None:
    conversation = Conversation([SYSTEM, QUESTION, SAMPLED, ANSWER, QUESTION])
    renderer = Renderer(conversation, tokenizer)
    renderer.revise(0)  # before anything was rendered
    before = renderer.ids()

    conversation.revise(0, Message.system(SystemContent(reasoning_effort=ReasoningEffort.HIGH)))
    renderer.revise(0)

    assert renderer.ids() == render(conversation, tokenizer) != before
    conversation.append(ANSWER)
    assert renderer.ids() == render(conversation, tokenizer)
