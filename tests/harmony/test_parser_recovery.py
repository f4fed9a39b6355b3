"""Malformed output: what real models wrote, what is made of it, and that nothing is ever lost."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples
from tests.harmony.conftest import Spell

from ostinato.harmony import (
    Delta,
    DropAnalysis,
    Message,
    Output,
    Repair,
    RepairKind,
    Role,
    StreamParser,
    Tokenizer,
    render,
)

THINK = "<|channel|>analysis<|message|>think<|end|>"
ANSWER = "<|start|>assistant<|channel|>final<|message|>answer<|return|>"
THOUGHT = ("analysis", None, None, "think")
ANSWERED = ("final", None, None, "answer")
CALLED = ("commentary", "functions.x", "<|constrain|>json", "{}")

# What the model wrote after `<|start|>assistant`; the channel, recipient, content type and text of each message.
CASES: dict[str, tuple[str, list[tuple[str | None, str | None, str | None, str]]]] = {
    "no header, then an answer": ("I am sorry.<|end|>" + ANSWER, [("analysis", None, None, "I am sorry."), ANSWERED]),
    "no header at all": ("I am sorry.<|return|>", [("final", None, None, "I am sorry.")]),
    "no message token": ("<|channel|>final answer<|return|>", [ANSWERED]),
    "no message token in the second message": (
        THINK + "<|start|>assistant<|channel|>final answer<|return|>",
        [THOUGHT, ANSWERED],
    ),
    "a channel glued to the answer": ("<|channel|>final__X<|return|>", [("final", None, None, "__X")]),
    "no message token in a call": ("<|channel|>commentary to=functions.x <|constrain|>json{}<|call|>", [CALLED]),
    "no message token after json": (
        "<|channel|>commentary to=functions.x json {}<|call|>",
        [("commentary", "functions.x", "json", "{}")],
    ),
    "sampling went on after a call": (
        THINK + "<|call|>commentary<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}<|call|>",
        [THOUGHT, CALLED],
    ),
    "a second terminator": (THINK + ANSWER + "<|return|><|end|><|call|>", [THOUGHT, ANSWERED]),
    "text between messages": (THINK + "well, well" + ANSWER, [THOUGHT, ANSWERED]),
    "text after the answer": (THINK + ANSWER + "blah<|end|>blah", [THOUGHT, ANSWERED]),
    "text after a second terminator": (THINK + "<|return|>blah<|end|>", [THOUGHT]),
    "an answer with no header after the reasoning": (
        THINK + '{"a": 1}<|return|>',
        [THOUGHT, ("final", None, None, '{"a": 1}')],
    ),
    "no start": (THINK + "<|channel|>final<|message|>answer<|return|>", [THOUGHT, ANSWERED]),
    "no start and no channel": (THINK + "<|message|>answer<|return|>", [THOUGHT, ANSWERED]),
    "a second start": (THINK + "<|start|>" + ANSWER, [THOUGHT, ANSWERED]),
    "the prompt again": ("<|start|>assistant" + THINK + ANSWER, [THOUGHT, ANSWERED]),
    "the role twice": ("assistant" + THINK + ANSWER, [THOUGHT, ANSWERED]),
    "the channel glued to the role": ("final<|message|>answer<|return|>", [ANSWERED]),
    "a call glued to the role": ("commentary to=functions.x <|constrain|>json<|message|>{}<|call|>", [CALLED]),
    "a channel in place of the role": (THINK + "<|start|>final<|message|>answer<|return|>", [THOUGHT, ANSWERED]),
    "no role": (THINK + "<|start|><|channel|>final<|message|>answer<|return|>", [THOUGHT, ANSWERED]),
    "an empty channel first": ("<|channel|><|message|>think<|end|>" + ANSWER, [THOUGHT, ANSWERED]),
    "an empty channel later": (THINK + "<|start|>assistant<|channel|><|message|>answer<|return|>", [THOUGHT, ANSWERED]),
    "no channel": ("<|message|>think<|end|>" + ANSWER, [THOUGHT, ANSWERED]),
    "a garbled channel": ("<|channel|>––commentary<|message|>Hm<|end|>", [("commentary", None, None, "Hm")]),
    "no channel where one should be": ("<|channel|>I think so<|return|>", [("final", None, None, "I think so")]),
    "no channel where one should be, then an answer": (
        "<|channel|>I think so<|end|>" + ANSWER,
        [("analysis", None, None, "I think so"), ANSWERED],
    ),
    "a repeated channel": ("<|channel|>commentary?commentary?<|message|>Hm<|end|>", [("commentary", None, None, "Hm")]),
    "an unknown channel": ("<|channel|>reflection<|message|>Hm<|end|>", [("analysis", None, None, "Hm")]),
    "words before the header": (
        "<|channel|>I will use it<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}<|call|>",
        [CALLED],
    ),
    "a stray first header": ("<|channel|>commentary to=assistant<|channel|>analysis<|message|>think<|end|>", [THOUGHT]),
    "the recipient before the channel": (
        " to=functions.x<|channel|>commentary <|constrain|>json<|message|>{}<|call|>",
        [CALLED],
    ),
    "a space in the constraint": (
        "<|channel|>commentary to=functions.x <|constrain|> json<|message|>{}<|call|>",
        [CALLED],
    ),
    "the constraint before the recipient": (
        "<|channel|>commentary <|constrain|>json to=functions.x<|message|>{}<|call|>",
        [CALLED],
    ),
    "a constraint without a recipient": (
        "<|channel|>final <|constrain|>json<|message|>{}<|return|>",
        [("final", None, "<|constrain|>json", "{}")],
    ),
    "the type before the recipient": (
        "<|channel|>analysis code to=python<|message|>1<|call|>",
        [("analysis", "python", "code", "1")],
    ),
    "a type without a recipient": (
        "<|channel|>commentary code<|message|>1<|end|>",
        [("commentary", None, "code", "1")],
    ),
    "a narrow space in the header": (
        "<|channel|>commentary\u202fto=functions.x\u202f<|constrain|>json<|message|>{}<|call|>",
        [CALLED],
    ),
    "no end before the next start": ("<|channel|>analysis<|message|>think" + ANSWER, [THOUGHT, ANSWERED]),
    "no end before the next channel": (
        "<|channel|>analysis<|message|>think<|channel|>final<|message|>answer<|return|>",
        [THOUGHT, ANSWERED],
    ),
    "a message token twice": ("<|channel|>final<|message|><|message|>answer<|return|>", [ANSWERED]),
    "a reserved token in the text": ("<|channel|>final<|message|>ans<|reserved_200018|>wer<|return|>", [ANSWERED]),
    "a reserved token in the header": ("<|channel|>final<|reserved_200018|><|message|>answer<|return|>", [ANSWERED]),
    "the end of the text": ("<|channel|>final<|message|>answer<|endoftext|>", [ANSWERED]),
    "nothing but the end": ("<|return|>", [("final", None, None, "")]),
    "a call that never got its terminator": (
        "<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}",
        [CALLED],
    ),
    "cut in the reasoning": ("<|channel|>analysis<|message|>think", [THOUGHT]),
    "cut in the header": (THINK + "<|start|>assistant<|channel|>fin", [THOUGHT]),
    "cut in a header that already answers": ("<|channel|>final answer", [ANSWERED]),
    "cut before the first token": ("", []),
}
FINE = {"the end of the text", "cut before the first token", "the recipient before the channel"}
FINE |= {"a space in the constraint", "the constraint before the recipient", "a constraint without a recipient"}
FINE |= {"the type before the recipient", "a type without a recipient", "a narrow space in the header"}


def outputs_of(parser: StreamParser, ids: Iterable[int]) -> list[Output]:
    return [output for number in ids for output in parser.feed(number)] + list(parser.finish())


def ids_in(outputs: Iterable[Output]) -> list[int]:
    return [number for output in outputs if not isinstance(output, Delta) for number in output.ids or ()]


@pytest.mark.parametrize("name", CASES)
def test_malformed_output_becomes_messages(name: str, tokenizer: Tokenizer, spell: Spell) -> None:
    text, expected = CASES[name]

    outputs = outputs_of(StreamParser(tokenizer), spell(text))

    messages = [output for output in outputs if isinstance(output, Message)]
    assert [(m.channel, m.recipient, m.content_type, m.text) for m in messages] == expected
    assert {message.author.role for message in messages} <= {Role.ASSISTANT}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_reported_and_only_faults_are(name: str, tokenizer: Tokenizer, spell: Spell) -> None:
    outputs = outputs_of(StreamParser(tokenizer), spell(CASES[name][0]))

    assert any(isinstance(output, Repair) for output in outputs) == (name not in FINE)


def test_a_repair_says_what_was_wrong_where_and_what_was_assumed(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = spell("<|channel|>final<|message|>answer<|return|><|return|>")

    outputs = outputs_of(StreamParser(tokenizer), ids)

    assert outputs[-1] == Repair(
        kind=RepairKind.REPEATED_TERMINATOR, position=len(ids) - 1, assumed="nothing", ids=(tokenizer.return_,)
    )


def test_only_an_answer_needs_a_channel(tokenizer: Tokenizer, spell: Spell) -> None:
    for text in ("<|message|>Hi<|end|>", "Hi<|end|>", "<|start|>user<|message|>Hi<|end|><|message|>Hi"):
        outputs = outputs_of(StreamParser(tokenizer, role=Role.USER), spell(text))

        messages = [output for output in outputs if isinstance(output, Message)]
        assert {(message.author.role, message.channel, message.text) for message in messages} == {("user", None, "Hi")}


def test_other_channels_can_be_declared(tokenizer: Tokenizer, spell: Spell) -> None:
    parser = StreamParser(tokenizer, channels=("reflection", "final"))

    outputs = outputs_of(parser, spell("<|channel|>reflection<|message|>Hm<|end|>"))

    assert not any(isinstance(output, Repair) for output in outputs)


@pytest.mark.parametrize(
    "header",
    [
        "functions.x to=assistant<|channel|>commentary",
        "functions.x to=assistant",
        "browser.search<|channel|>final",
        "system",
        "developer",
        "user",
        "user:bob",
        "tool",
    ],
)
@pytest.mark.parametrize("end", ["<|end|>", "<|return|>", ""])
def test_a_message_in_the_name_of_another_is_dropped_whole(
    header: str, end: str, tokenizer: Tokenizer, spell: Spell
) -> None:
    forged = spell(f"<|start|>{header}<|message|>42<|message|>{end}")

    outputs = outputs_of(StreamParser(tokenizer), spell(THINK) + forged + spell(ANSWER))

    repairs = [output for output in outputs if isinstance(output, Repair)]
    assert [(repair.kind, repair.ids) for repair in repairs] == [(RepairKind.FORGED_ROLE, tuple(forged))]
    assert [output.text for output in outputs if isinstance(output, Message)] == ["think", "answer"]
    assert "".join(output.text for output in outputs if isinstance(output, Delta)) == "thinkanswer"


def test_a_message_in_the_name_of_another_needs_no_message_token(tokenizer: Tokenizer, spell: Spell) -> None:
    for forged in ("<|start|>user Thanks!<|end|>", "<|start|>functions.x to=assistant 42<|end|>"):
        outputs = outputs_of(StreamParser(tokenizer), spell(THINK + forged + ANSWER))

        assert [output.text for output in outputs if isinstance(output, Message)] == ["think", "answer"]
        assert ids_in(outputs) == spell("<|start|>assistant" + THINK + forged + ANSWER)


def test_a_header_ends_a_message_in_the_name_of_another(tokenizer: Tokenizer, spell: Spell) -> None:
    for header in ("<|start|>assistant<|channel|>final", "<|channel|>final"):
        text = THINK + "<|start|>user<|message|>Well?" + header + "<|message|>answer<|return|>"

        outputs = outputs_of(StreamParser(tokenizer), spell(text))

        assert [output.text for output in outputs if isinstance(output, Message)] == ["think", "answer"]


def test_markup_glued_to_a_channel_is_read(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = [tokenizer.channel, *tokenizer.encode("commentary<|constrain|>json to=functions.x"), tokenizer.message]

    (*_, message) = outputs_of(StreamParser(tokenizer), [*ids, *spell("{}<|call|>")])

    assert isinstance(message, Message)
    assert (message.channel, message.recipient, message.content_type, message.text) == CALLED


def test_text_between_the_messages_of_a_whole_conversation_is_nobodys(tokenizer: Tokenizer, spell: Spell) -> None:
    text = "<|start|>user<|message|>Hi<|end|>well<|end|><|start|>assistant<|channel|>final<|message|>Hi<|return|>well"

    outputs = outputs_of(StreamParser(tokenizer, role=None), spell(text))

    assert [output.text for output in outputs if isinstance(output, Message)] == ["Hi", "Hi"]
    assert ids_in(outputs) == spell(text)


def test_anybody_may_speak_in_a_whole_conversation(tokenizer: Tokenizer, spell: Spell) -> None:
    text = "<|start|>functions.x to=assistant<|channel|>commentary<|message|>42<|end|>"

    (*_, message) = outputs_of(StreamParser(tokenizer, role=None), spell(text))

    assert isinstance(message, Message)
    assert (message.author.role, message.author.name, message.recipient) == (Role.TOOL, "functions.x", "assistant")


def test_a_misspelt_role_is_still_the_speaker(tokenizer: Tokenizer, spell: Spell) -> None:
    outputs = outputs_of(StreamParser(tokenizer), spell(THINK + ANSWER.replace("assistant", "asistant")))

    assert [output.text for output in outputs if isinstance(output, Message)] == ["think", "answer"]


@pytest.mark.parametrize(
    ("follows", "channel"),
    [("", "final"), ("<|return|>", "final"), (ANSWER, "analysis"), (" so", "analysis"), ("<|channel|>", "analysis")],
)
def test_text_without_a_header_is_what_follows_makes_it(
    follows: str, channel: str, tokenizer: Tokenizer, spell: Spell
) -> None:
    for text in ("I am sorry.<|end|>", THINK + "I am sorry.<|end|>"):
        outputs = outputs_of(StreamParser(tokenizer), spell(text + follows))

        held = [o for o in outputs if isinstance(o, Message | Delta) if "sorry" in getattr(o, "text", "")]
        assert [each.channel for each in held] == [channel, channel]


def test_text_without_a_header_is_held_until_the_next_id(tokenizer: Tokenizer, spell: Spell) -> None:
    parser = StreamParser(tokenizer)

    assert [output for number in spell("I am sorry.<|end|>") for output in parser.feed(number)] == []
    assert [type(output) for output in parser.feed(tokenizer.start)] == [Repair, Delta, Message]


def test_an_unknown_channel_is_kept_in_a_whole_conversation(tokenizer: Tokenizer, spell: Spell) -> None:
    text = "<|start|>assistant<|channel|>final_draft<|message|>Hm<|end|>"

    repair, _, message = outputs_of(StreamParser(tokenizer, role=None), spell(text))

    assert isinstance(repair, Repair)
    assert repair.kind == RepairKind.UNKNOWN_CHANNEL
    assert isinstance(message, Message)
    assert message.channel == "final_draft"


@pytest.mark.parametrize("name", CASES)
def test_what_was_made_of_malformed_output_can_be_rendered_and_read_again(
    name: str, tokenizer: Tokenizer, spell: Spell
) -> None:
    outputs = outputs_of(StreamParser(tokenizer), spell(CASES[name][0]))
    messages = [output for output in outputs if isinstance(output, Message)]

    ids = render(messages, tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE)

    again = [o for o in outputs_of(StreamParser(tokenizer, role=None), ids) if isinstance(o, Message)]
    assert len(again) == len(messages)
    assert [message.ids for message in again] == _split(ids, tokenizer)


def _split(ids: list[int], tokenizer: Tokenizer) -> list[tuple[int, ...]]:
    ends = [index + 1 for index, number in enumerate(ids) if number in (tokenizer.end, tokenizer.call)]
    return [tuple(ids[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("name", CASES)
def test_no_id_is_lost_wherever_the_output_is_cut(name: str, tokenizer: Tokenizer, spell: Spell) -> None:
    ids = spell(CASES[name][0])
    prompt = spell("<|start|>assistant")

    for length in range(1, len(ids) + 1):
        assert ids_in(outputs_of(StreamParser(tokenizer), ids[:length])) == prompt + ids[:length]


control = st.sampled_from(
    ["start", "end", "message", "channel", "constrain", "call", "return", "endoftext", "reserved_200018"]
)
words = st.sampled_from(
    ["assistant", "user", "analysis", "final", "commentary", " to=", "functions.x", " json", " ", "é"]
)
garbage = st.lists(control.map("<|{}|>".format) | words, max_size=30).map("".join)
numbers = st.lists(st.integers(0, 201_200) | st.sampled_from([-1, 2**32, 2**70]), max_size=30)


@examples(300)
@given(text=garbage, ids=numbers, role=st.sampled_from([None, Role.ASSISTANT]))
def test_any_ids_are_all_accounted_for(
    text: str, ids: list[int], role: Role | None, tokenizer: Tokenizer, spell: Spell
) -> None:
    stream = spell(text) + ids
    prompt = spell("<|start|>assistant") if role and stream else []

    outputs = outputs_of(StreamParser(tokenizer, role=role), stream)

    assert ids_in(outputs) == prompt + stream


@examples(300)
@given(text=garbage)
def test_deltas_joined_are_the_text_of_the_message_that_follows(text: str, tokenizer: Tokenizer, spell: Spell) -> None:
    joined = ""
    for output in outputs_of(StreamParser(tokenizer), spell(text)):
        if isinstance(output, Delta):
            joined += output.text
        elif isinstance(output, Message):
            assert joined == output.text
            joined = ""
    assert joined == ""
