"""Well-formed output: what the parser makes of it, beside what openai-harmony makes of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import examples
from tests.harmony.conftest import Spell

from ostinato.harmony import (
    Author,
    Delta,
    DropAnalysis,
    Message,
    Output,
    ParserState,
    RecipientPosition,
    Repair,
    Role,
    StreamParser,
    Tokenizer,
    render,
)

THINK = "<|channel|>analysis<|message|>2+2"
ANSWER = "<|start|>assistant<|channel|>final<|message|>4<|return|>"
CALL = "<|message|>{}<|call|>"
GENERATIONS = {
    "an answer": "<|channel|>final<|message|>4<|return|>",
    "an empty answer": "<|channel|>final<|message|><|return|>",
    "reasoning, then an answer": THINK + "<|end|>" + ANSWER,
    "reasoning ended by return": THINK + "<|return|>" + ANSWER,
    "a call after the channel": "<|channel|>analysis to=lookup_weather code" + CALL,
    "a call after the role": " to=lookup_weather<|channel|>analysis code" + CALL,
    "a constrained call": "<|channel|>commentary to=functions.x <|constrain|>json" + CALL,
    "a constraint right after the recipient": "<|channel|>commentary to=functions.x<|constrain|>json" + CALL,
    "a preamble": (
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=f json" + CALL
    ),
}
CONVERSATION = (
    "<|start|>system<|message|>You are.<|end|><|start|>developer<|message|># Instructions<|end|>"
    "<|start|>user<|message|>Weather?<|end|><|start|>assistant<|channel|>analysis<|message|>Look.<|end|>"
    "<|start|>assistant to=browser.search<|channel|>commentary <|constrain|>json<|message|>{}<|call|>"
    "<|start|>browser.search to=assistant<|channel|>commentary<|message|>Sunny<|end|>"
    "<|start|>assistant<|channel|>final<|message|>Sunny.<|return|>"
)


def outputs_of(parser: StreamParser, ids: Iterable[int]) -> list[Output]:
    return [output for number in ids for output in parser.feed(number)] + list(parser.finish())


def messages_of(outputs: Iterable[Output]) -> list[Message]:
    return [output for output in outputs if isinstance(output, Message)]


def without_ids(messages: Sequence[Message]) -> list[Message]:
    return [replace(message, ids=None) for message in messages]


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_generation_is_read_as_the_library_reads_it(
    name: str, tokenizer: Tokenizer, spell: Spell, library: Any
) -> None:
    ids = spell(GENERATIONS[name])

    outputs = outputs_of(StreamParser(tokenizer), ids)

    assert not [output for output in outputs if isinstance(output, Repair)]
    assert without_ids(messages_of(outputs)) == library.parse(ids, Role.ASSISTANT)


def test_a_whole_conversation_is_read_as_the_library_reads_it(tokenizer: Tokenizer, spell: Spell, library: Any) -> None:
    ids = spell(CONVERSATION)

    outputs = outputs_of(StreamParser(tokenizer, role=None), ids)

    assert not [output for output in outputs if isinstance(output, Repair)]
    assert without_ids(messages_of(outputs)) == library.parse(ids, None)


def test_a_message_is_returned_by_its_terminator(tokenizer: Tokenizer, spell: Spell) -> None:
    parser = StreamParser(tokenizer)
    *ids, terminator = spell(GENERATIONS["an answer"])

    before = [output for number in ids for output in parser.feed(number)]
    at_the_end = parser.feed(terminator)

    assert before == [Delta(text="4", channel="final", recipient=None)]
    assert [message.text for message in messages_of(at_the_end)] == ["4"]
    assert parser.finish() == ()


def test_deltas_say_where_their_text_goes(tokenizer: Tokenizer, spell: Spell) -> None:
    outputs = outputs_of(StreamParser(tokenizer), spell(GENERATIONS["a preamble"]))

    deltas = {(output.channel, output.recipient) for output in outputs if isinstance(output, Delta)}
    assert deltas == {("commentary", None), ("commentary", "f")}


def test_the_parser_says_where_it_is(tokenizer: Tokenizer, spell: Spell) -> None:
    parser = StreamParser(tokenizer)
    ids = spell(GENERATIONS["a constrained call"] + "<|start|>user<|message|>Hi<|end|>")
    seen = []

    for number in ids:
        parser.feed(number)
        if parser.state != (seen[-1][0] if seen else None):
            role = parser.author.role if parser.author else None
            seen.append((parser.state, role, parser.channel, parser.recipient, parser.content_type))

    assert seen == [
        (ParserState.HEADER, None, None, None, None),
        (ParserState.CONTENT, Role.ASSISTANT, "commentary", "functions.x", "<|constrain|>json"),
        (ParserState.BETWEEN, None, None, None, None),
        (ParserState.HEADER, None, None, None, None),
        (ParserState.FORGED, Role.USER, None, None, None),
        (ParserState.BETWEEN, None, None, None, None),
    ]
    assert parser.position == len(ids)


def test_reading_where_the_parser_is_decodes_nothing(tokenizer: Tokenizer, spell: Spell) -> None:
    class Counting(Tokenizer):
        decoded = 0

        def token_bytes(self, number: int) -> bytes:
            self.decoded += 1
            return super().token_bytes(number)

    counting = Counting(tokenizer.encoding)
    parser = StreamParser(counting)
    for number in spell("<|channel|>analysis<|message|>" + " so" * 5):
        parser.feed(number)
    before = counting.decoded

    seen = {(parser.state, parser.author, parser.channel, parser.recipient, parser.content_type, parser.position)}
    for number in spell(" so" * 100):
        parser.feed(number)

    assert len(seen) == 1
    assert counting.decoded == before


def test_the_position_counts_every_id_that_was_fed(tokenizer: Tokenizer, spell: Spell) -> None:
    for role in (Role.ASSISTANT, None):
        parser = StreamParser(tokenizer, role=role)
        for count, number in enumerate(spell(CONVERSATION + "<|return|>so<|start|>")):
            assert parser.position == count
            parser.feed(number)


def test_a_message_keeps_the_ids_it_was_sampled_as(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = spell(GENERATIONS["reasoning, then an answer"])

    first, second = messages_of(outputs_of(StreamParser(tokenizer), ids))

    assert first.ids is not None
    assert second.ids is not None
    assert [*first.ids, *second.ids] == spell("<|start|>assistant") + ids
    assert second.ids[0] == tokenizer.start


def test_a_character_cut_between_tokens_is_one_delta(tokenizer: Tokenizer, spell: Spell) -> None:
    pieces = [tokenizer.encoding.encode_single_token(bytes([byte])) for byte in "🎵".encode()]
    parser = StreamParser(tokenizer)
    for number in spell("<|channel|>final<|message|>"):
        parser.feed(number)

    assert [parser.feed(piece) for piece in pieces[:-1]] == [(), (), ()]
    assert parser.feed(pieces[-1]) == (Delta(text="🎵", channel="final", recipient=None),)


def test_a_character_cut_by_the_end_of_the_message_is_a_delta_too(tokenizer: Tokenizer, spell: Spell) -> None:
    half = tokenizer.encoding.encode_single_token("🎵".encode()[:1])
    ids = [*spell("<|channel|>final<|message|>ab"), half, tokenizer.return_]

    outputs = outputs_of(StreamParser(tokenizer), ids)

    assert [output.text for output in outputs if isinstance(output, Delta)] == ["ab", "\ufffd"]
    assert messages_of(outputs)[0].text == "ab\ufffd"


def test_an_id_outside_the_vocabulary_harms_no_other_text(tokenizer: Tokenizer, spell: Spell) -> None:
    ids = [*spell("<|channel|>final<|message|>before"), 2**32 - 1, *spell(" after<|return|>")]

    (message,) = messages_of(outputs_of(StreamParser(tokenizer), ids))

    assert message.text == "before\ufffd after"
    assert message.ids is not None
    assert 2**32 - 1 in message.ids


texts = st.text(max_size=30) | st.sampled_from(["", "{}", "<|end|>", "<|start|>assistant", "🎵é\n", "to=x"])
names = st.sampled_from(["functions.x", "python", "browser.search", "tool-1"])
content_types = st.none() | st.sampled_from(["json", "code", "<|constrain|>json"])
spoken = st.builds(
    Message.assistant,
    texts,
    channel=st.sampled_from(["analysis", "commentary", "final"]),
    recipient=st.none() | names,
    content_type=content_types,
)
heard = st.builds(Message.user, texts) | st.builds(
    Message.tool,
    texts,
    name=names,
    channel=st.none() | st.sampled_from(["analysis", "commentary"]),
    recipient=st.none() | st.just("assistant"),
)
named = st.builds(Message, author=st.just(Author(role=Role.USER, name="bob")), content=st.tuples(texts))


@examples(150)
@given(messages=st.lists(spoken | heard | named, max_size=6), position=st.sampled_from(RecipientPosition))
def test_what_was_rendered_is_read_back(
    messages: list[Message], position: RecipientPosition, tokenizer: Tokenizer
) -> None:
    ids = render(messages, tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE, recipient_position=position)

    outputs = outputs_of(StreamParser(tokenizer, role=None), ids)

    again = messages_of(outputs)
    assert without_ids(again) == messages
    assert not [output for output in outputs if isinstance(output, Repair)]
    assert render(again, tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE) == ids


unambiguous = spoken.filter(lambda message: message.recipient or not message.content_type)
answered = st.builds(Message.tool, texts, name=names, channel=st.none() | st.sampled_from(["analysis", "commentary"]))


@examples(100)
@given(messages=st.lists(unambiguous, min_size=1))
def test_any_generation_is_read_as_the_library_reads_it(
    messages: list[Message], tokenizer: Tokenizer, library: Any
) -> None:
    ids = render(messages, tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE)[2:]

    outputs = outputs_of(StreamParser(tokenizer), ids)

    assert without_ids(messages_of(outputs)) == library.parse(ids, Role.ASSISTANT)


@examples(100)
@given(messages=st.lists(unambiguous | answered | st.builds(Message.user, texts), max_size=6))
def test_any_conversation_is_read_as_the_library_reads_it(
    messages: list[Message], tokenizer: Tokenizer, library: Any
) -> None:
    ids = render(messages, tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE)

    outputs = outputs_of(StreamParser(tokenizer, role=None), ids)

    assert without_ids(messages_of(outputs)) == library.parse(ids, None)


@examples(100)
@given(content=st.binary(max_size=40))
def test_the_text_does_not_depend_on_how_it_is_cut_into_tokens(
    content: bytes, tokenizer: Tokenizer, spell: Spell
) -> None:
    ids = [tokenizer.encoding.encode_single_token(bytes([byte])) for byte in content]

    outputs = outputs_of(StreamParser(tokenizer), [*spell("<|channel|>final<|message|>"), *ids, tokenizer.return_])

    (message,) = messages_of(outputs)
    assert message.text == content.decode("utf-8", errors="replace")
    assert "".join(output.text for output in outputs if isinstance(output, Delta)) == message.text
