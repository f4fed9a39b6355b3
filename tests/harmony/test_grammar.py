"""The grammar allows what the renderer writes and the parser reads without a repair, and nothing else."""

import json
import random
from functools import cache
from itertools import groupby, islice

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer
from llguidance.tiktoken import lltokenizer_from_encoding
from tests.fuzz import examples
from tests.harmony.conftest import Spell
from tests.harmony.grammar_cases import (
    ANSWER_SCHEMA,
    OPENING,
    SCHEMAS,
    VOCABULARIES,
    generations,
    ids_in,
    refused_at,
    walk,
)

from ostinato.harmony import (
    DeveloperContent,
    Message,
    RecipientPosition,
    Repair,
    Role,
    StreamParser,
    Tokenizer,
    ToolDescription,
    ToolNamespace,
    render_training,
)
from ostinato.harmony.grammar import Grammar
from ostinato.training.episodes import episodes
from ostinato.training.phrasing import Split

GRAMMARS = {name: Grammar(OPENING, tokenizer) for name, tokenizer in VOCABULARIES.items()}
ANSWERING = {
    name: Grammar(OPENING, tokenizer, response_schema=ANSWER_SCHEMA) for name, tokenizer in VOCABULARIES.items()
}
vocabularies = pytest.mark.parametrize("name", VOCABULARIES)


def parsed(ids: list[int], tokenizer: Tokenizer) -> list[Message]:
    """Read a generation that needs no repair."""
    parser = StreamParser(tokenizer)
    outputs = [output for number in ids for output in parser.feed(number)] + list(parser.finish())
    assert not [output for output in outputs if isinstance(output, Repair)]
    return [output for output in outputs if isinstance(output, Message)]


def rendered(messages: list[Message], tokenizer: Tokenizer, position: RecipientPosition) -> list[int]:
    """Write a generation: what follows `<|start|>assistant`."""
    ids, _ = render_training(messages, tokenizer, recipient_position=position)
    return ids[1 + len(tokenizer.encode("assistant")) :]


@vocabularies
@examples(150)
@given(seed=st.integers(0, 2**32), limit=st.sampled_from([None, 0, 1, 20]))
def test_whatever_the_grammar_allows_is_read_without_a_repair(name: str, seed: int, limit: int | None) -> None:
    tokenizer = VOCABULARIES[name]

    *talk, last = parsed(walk(GRAMMARS[name].constraint(analysis_limit=limit), tokenizer, seed), tokenizer)

    assert {(message.channel, message.recipient) for message in talk} <= {("analysis", None), ("commentary", None)}
    assert last.channel == "final" or last.recipient in GRAMMARS[name].recipients
    if last.recipient in SCHEMAS:
        jsonschema.validate(json.loads(last.text), SCHEMAS[last.recipient])


@vocabularies
@pytest.mark.parametrize("channel", ["analysis", "commentary"])
def test_a_function_may_be_called_on_either_channel(name: str, channel: str) -> None:
    tokenizer = VOCABULARIES[name]
    call = Message.assistant("{}", channel=channel, recipient="functions.now", content_type="<|constrain|>json")
    ids = rendered([call], tokenizer, RecipientPosition.CHANNEL)

    assert refused_at(GRAMMARS[name].constraint(), ids) is None


@vocabularies
@examples(60)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_an_id_that_is_not_allowed_loses_the_grammar_and_no_other_does(
    name: str, seed: int, data: st.DataObject
) -> None:
    ids = walk(GRAMMARS[name].constraint(), VOCABULARIES[name], seed)
    state = GRAMMARS[name].constraint()
    for number in ids[: data.draw(st.integers(0, len(ids)))]:
        state.accept(number)
    allowed = ids_in(state.allowed())
    number = data.draw(st.sampled_from([*VOCABULARIES[name].special_ids().values()]) | st.integers(0, 2050))

    state.accept(number)

    assert state.is_lost == (number not in allowed)


@examples(60)
@given(name=st.text(min_size=1, max_size=6), seed=st.integers(0, 2**32), position=st.sampled_from(RecipientPosition))
def test_a_tool_of_any_name_is_called_by_its_name_or_said_to_have_none(
    name: str, seed: int, position: RecipientPosition
) -> None:
    tokenizer = VOCABULARIES["nano"]
    tool = ToolDescription(name=name, description="", parameters=None)
    told = DeveloperContent(tools=(ToolNamespace(name="functions", tools=(tool,)),))
    grammar = Grammar([Message.developer(told)], tokenizer)
    if not grammar.recipients:
        assert grammar.notices
        return
    call = Message.assistant("{}", channel="commentary", recipient=f"functions.{name}")

    *_, last = parsed(walk(grammar.constraint(tool_choice=name), tokenizer, seed), tokenizer)

    assert last.recipient == f"functions.{name}"
    assert refused_at(grammar.constraint(), rendered([call], tokenizer, position)) is None


@vocabularies
@examples(150)
@given(generation=generations, position=st.sampled_from(RecipientPosition))
def test_whatever_the_renderer_writes_is_allowed(
    name: str, generation: list[Message], position: RecipientPosition
) -> None:
    ids = rendered(generation, VOCABULARIES[name], position)

    assert refused_at(GRAMMARS[name].constraint(), ids) is None


@pytest.mark.parametrize("split", Split)
def test_every_generation_of_the_training_is_allowed(split: Split) -> None:
    tokenizer = VOCABULARIES["nano"]
    for episode in islice(episodes(random.Random(1), split), 60):
        constraint = Grammar(episode.messages, tokenizer).constraint
        for role, messages in groupby(episode.messages, lambda message: message.author.role):
            if role == Role.ASSISTANT:
                ids = rendered(list(messages), tokenizer, RecipientPosition.CHANNEL)
                assert refused_at(constraint(), ids) is None, episode.question


@vocabularies
@examples(40)
@given(seed=st.integers(0, 2**32), is_structured=st.booleans(), choice=st.sampled_from(["auto", "required", "none"]))
def test_the_lark_text_describes_the_same_language(name: str, seed: int, is_structured: bool, choice: str) -> None:
    state = (ANSWERING if is_structured else GRAMMARS)[name].constraint(tool_choice=choice)
    matcher = lark_matcher(name, state.lark)

    ids = walk(state, VOCABULARIES[name], seed)

    assert matcher.try_consume_tokens(ids) == len(ids), matcher.get_error()
    assert matcher.is_accepting()


@cache
def lark_tokenizer(name: str) -> LLTokenizer:
    encoding = VOCABULARIES[name].encoding
    return lltokenizer_from_encoding(encoding, n_vocab=encoding.n_vocab)


@cache
def compiled(name: str, lark: str) -> LLMatcher:
    return LLMatcher(lark_tokenizer(name), LLMatcher.grammar_from_lark(lark), log_level=0)


def lark_matcher(name: str, lark: str) -> LLMatcher:
    return compiled(name, lark).deep_copy()


@pytest.mark.parametrize("generation", ["no channel<|message|>", "<|channel|>final<|message|>4<|end|>", "<|return|>"])
def test_the_lark_text_refuses_what_the_automaton_refuses(generation: str, spell: Spell) -> None:
    state = GRAMMARS["o200k"].constraint()
    matcher = lark_matcher("o200k", state.lark)
    ids = spell(generation)

    assert matcher.try_consume_tokens(ids) == refused_at(state, ids)


def test_36_structured_output_keeps_its_headers(spell: Spell, tokenizer: Tokenizer) -> None:
    grammar = ANSWERING["o200k"]
    thought = "<|channel|>analysis<|message|>Any text, {not JSON}.<|end|><|start|>assistant"
    header = "<|channel|>final <|constrain|>json<|message|>"
    answer = '{"sum": 4, "why": "2+2"}<|return|>'
    call = '<|channel|>commentary to=functions.get_weather json<|message|>{"city": "Kyoto"}<|call|>'

    assert refused_at(grammar.constraint(), spell(thought + header + answer)) is None
    assert refused_at(grammar.constraint(), spell(thought + call)) is None
    for generation in (
        '{"sum": 4, "why": ""}',
        thought + '{"sum"',
        thought + header + "4",
        thought + header + '{"sum": "4"',
        thought + header + '{"sum": 4}',
        thought + header + '{"sum": 4, "why": "2+2"}\n',
    ):
        assert refused_at(grammar.constraint(), spell(generation)) is not None
    for seed in range(20):
        *_, last = parsed(walk(grammar.constraint(tool_choice="none"), tokenizer, seed), tokenizer)
        jsonschema.validate(json.loads(last.text), ANSWER_SCHEMA)


@pytest.mark.parametrize(
    "generation",
    [
        "Hello",
        "<|message|>",
        "<|start|>assistant<|channel|>final<|message|>",
        "<|channel|>thoughts<|message|>",
        "<|channel|>analysis assistant<|message|>",
        "<|channel|>final json<|message|>",
        "<|channel|>final to=python<|message|>",
        "<|channel|>commentary to=functions.shell<|message|>",
        "<|channel|>commentary to=functions.get_weatherjson<|message|>",
        "<|channel|>commentary to=functions<|message|>",
        "<|channel|>commentary to=browser<|message|>",
        "<|channel|>commentary to=python<|constrain|>json<|message|>",
        "<|channel|>analysis<|channel|>final<|message|>",
        "<|channel|>analysis<|message|>think<|start|>assistant",
        "<|channel|>analysis<|message|>think<|return|>",
        "<|channel|>analysis<|message|>think<|end|><|end|>",
        "<|channel|>analysis<|message|>think<|end|><|start|>user",
        "<|channel|>analysis<|message|>think<|end|><|start|>assistant<|start|>assistant",
        "<|channel|>final<|message|>4<|end|>",
        "<|channel|>final<|message|>4<|endoftext|>",
        "<|channel|>final<|message|>4<|reserved_200100|>",
        "<|channel|>final<|message|>4<|return|><|start|>",
        "<|channel|>commentary to=functions.now<|message|>{}<|return|>",
        "<|channel|>commentary to=functions.now<|message|>{} ",
        '<|channel|>commentary to=functions.now<|message|>{"a"',
    ],
)
def test_37_malformed_headers_cannot_be_sampled(generation: str, spell: Spell) -> None:
    ids = spell(generation)
    state = GRAMMARS["o200k"].constraint()

    assert refused_at(state, ids) is not None
    for number in ids:
        state.accept(number)
    assert state.is_lost
    assert len(ids_in(state.allowed())) == 201_088


@pytest.mark.parametrize("number", [-1, 199_998, 200_013, 201_087, 201_088, 2**31, 2**70, -(2**70)])
@pytest.mark.parametrize(
    "before", ["", "<|channel|>final<|message|>", "<|channel|>commentary to=functions.now<|message|>"]
)
def test_no_id_raises(number: int, before: str, spell: Spell) -> None:
    state = GRAMMARS["o200k"].constraint()
    for known in spell(before):
        state.accept(known)

    state.accept(number)

    assert state.is_lost
    state.accept(number)
