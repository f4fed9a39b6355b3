"""Reasoning that has no end is given one, and what must be called or answered is."""

import itertools
import random

import pytest
from tests.harmony.conftest import Spell
from tests.harmony.grammar_cases import BARE, OPENING, VOCABULARIES, ids_in, refused_at, walk

from ostinato.harmony import DeveloperContent, Message, SystemContent, Tokenizer, ToolDescription, ToolNamespace
from ostinato.harmony.grammar import Closing, Grammar, GrammarState, Why
from ostinato.harmony.grammar_loop import LoopDetector

GRAMMAR = Grammar(OPENING, VOCABULARIES["o200k"])
PLAIN = Grammar(BARE, VOCABULARIES["o200k"])
THINK = "<|channel|>analysis<|message|>"
AGAIN = "<|end|><|start|>assistant"


def fed(state: GrammarState, ids: list[int]) -> GrammarState:
    for number in ids:
        state.accept(number)
    return state


def test_reasoning_at_its_limit_can_only_end(spell: Spell) -> None:
    state = fed(PLAIN.constraint(analysis_limit=3), spell(THINK + "one two three"))

    assert state.allowed() == tuple(spell("<|end|>"))
    fed(state, spell(AGAIN + "<|channel|>"))
    assert state.allowed() == tuple(spell("final"))
    assert state.closings == [Closing(why=Why.LIMIT, position=6, tokens=3)]


def test_the_limit_counts_all_reasoning_of_the_generation(spell: Spell) -> None:
    state = fed(PLAIN.constraint(analysis_limit=5), spell(THINK + "one two three" + AGAIN + THINK + "four five"))

    assert state.allowed() == tuple(spell("<|end|>"))
    fed(state, spell("<|end|>"))
    assert state.closings == [Closing(why=Why.LIMIT, position=14, tokens=2)]


def test_reasoning_about_nothing_comes_to_the_limit_too(spell: Spell) -> None:
    state = fed(PLAIN.constraint(analysis_limit=3), spell((THINK + AGAIN) * 3 + "<|channel|>"))

    assert state.allowed() == tuple(spell("final"))
    assert state.closings == []


def test_a_limit_of_nothing_allows_no_reasoning_but_a_preamble(spell: Spell) -> None:
    state = fed(GRAMMAR.constraint(analysis_limit=0), spell("<|channel|>"))

    assert set(state.allowed()) == {spell(channel)[0] for channel in ("final", "commentary")}
    preamble = spell("<|channel|>commentary<|message|>I look.<|end|>")
    assert refused_at(GRAMMAR.constraint(analysis_limit=0), preamble) is None
    assert PLAIN.constraint(analysis_limit=0).allowed() == tuple(spell("<|channel|>"))


def test_a_model_that_may_not_think_is_not_lured_into_a_call_on_the_channel_of_its_thoughts(spell: Spell) -> None:
    call = "<|channel|>analysis to=python"
    closed = spell(THINK + "one two" + AGAIN)

    assert refused_at(GRAMMAR.constraint(analysis_limit=0), spell(call)) == 1
    assert refused_at(GRAMMAR.constraint(analysis_limit=2), [*closed, *spell(call)]) == len(closed) + 1
    assert refused_at(GRAMMAR.constraint(analysis_limit=0), spell("<|channel|>commentary to=python")) is None
    assert refused_at(GRAMMAR.constraint(analysis_limit=0, tool_choice="required"), spell(call)) is None


def test_a_call_among_the_reasoning_has_no_limit(spell: Spell) -> None:
    code = spell("<|channel|>analysis to=python code<|message|>print(1)\nprint(2)<|call|>")

    assert refused_at(GRAMMAR.constraint(analysis_limit=2), code) is None


def test_without_a_limit_nothing_is_closed(spell: Spell) -> None:
    words = random.Random(0).choices(range(1000), k=10_000)
    state = fed(PLAIN.constraint(), [*spell(THINK), *words])

    assert len(state.allowed()) > 10
    assert state.closings == []


@pytest.mark.parametrize(
    "phrase", ["wait, ", "...", "So the answer is 4. No, let me check again.\n\n", "well " * 400 + "!"]
)
def test_reasoning_in_a_loop_is_closed_and_not_resumed(phrase: str, spell: Spell, tokenizer: Tokenizer) -> None:
    ids = spell(phrase)
    state = fed(GRAMMAR.constraint(), spell(THINK))
    count = 0
    for number in itertools.cycle(ids):
        if len(state.allowed()) == 1:
            break
        state.accept(number)
        count += 1
        assert count < 5000

    fed(state, spell(AGAIN + "<|channel|>"))
    assert [closing.why for closing in state.closings] == [Why.LOOP]
    assert count >= 1024
    assert state.closings[0].tokens == count
    fed(state, spell("commentary"))
    assert tokenizer.message not in state.allowed()  # no preamble either


def test_empty_messages_in_a_loop_come_to_an_end(spell: Spell) -> None:
    state = GRAMMAR.constraint()
    ids = spell("<|channel|>commentary<|message|>" + AGAIN)

    assert refused_at(state, ids * 1000) is not None


def test_the_watch_for_loops_can_be_switched_off(spell: Spell) -> None:
    assert refused_at(PLAIN.constraint(watches_loops=False), spell(THINK + "wait, " * 5000)) is None


def test_an_answer_that_is_asked_for_ends_reasoning_with_the_next_id_and_nothing_else_follows(spell: Spell) -> None:
    state = fed(GRAMMAR.constraint(), spell(THINK + "one two"))

    state.answer_now()
    assert len(state.allowed()) > 10  # what was allowed stays so
    fed(state, spell(" three"))
    assert state.allowed() == tuple(spell("<|end|>"))
    fed(state, spell(AGAIN))
    assert state.allowed() == tuple(spell("<|channel|>"))
    fed(state, spell("<|channel|>"))
    assert state.allowed() == tuple(spell("final"))
    assert state.closings == [Closing(why=Why.ASKED, position=6, tokens=3)]
    assert refused_at(state, spell("final<|message|>It is 3.<|return|>")) is None


def test_an_answer_that_is_asked_for_during_a_header_ends_what_it_announces(spell: Spell) -> None:
    for channel in ("analysis", "commentary"):
        state = fed(GRAMMAR.constraint(), spell("<|channel|>"))
        state.answer_now()
        fed(state, spell(f"{channel}<|message|>"))

        assert state.allowed() == tuple(spell("<|end|>"))
        fed(state, spell(AGAIN + "<|channel|>"))
        assert state.allowed() == tuple(spell("final"))
        assert [(closing.why, closing.tokens) for closing in state.closings] == [(Why.ASKED, 0)]


def test_a_call_that_has_begun_is_made_though_the_answer_is_asked_for(spell: Spell) -> None:
    state = fed(GRAMMAR.constraint(), spell("<|channel|>analysis to=python code<|message|>print("))
    state.answer_now()

    assert refused_at(state, spell("1)<|call|>")) is None
    assert state.closings == []


@pytest.mark.parametrize("choice", ["required", "python"])
def test_an_answer_that_is_asked_for_comes_before_a_call_that_was_required(choice: str, spell: Spell) -> None:
    state = fed(GRAMMAR.constraint(tool_choice=choice), spell(THINK + "one"))
    state.answer_now()

    assert refused_at(state, spell(" two" + AGAIN + "<|channel|>final<|message|>It is 3.<|return|>")) is None


HONEST = {
    "a table of zeros": ("0 | " * 16 + "\n") * 15,
    "a ruler": "-" * 2000,
    "counting": " ".join(map(str, range(2000))),
    "a list that repeats its words": "".join(f"- item {number}: not prime\n" for number in range(900)),
    "code": "".join(f"    if x == {number}:\n        return {number * number}\n" for number in range(500)),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_text_is_no_loop(name: str, spell: Spell) -> None:
    detector = LoopDetector()

    assert not any(detector.feed(number) for number in spell(HONEST[name]))


@pytest.mark.parametrize("channel", ["final", "analysis to=python code"])
def test_answers_and_code_may_repeat_themselves(channel: str, spell: Spell) -> None:
    assert refused_at(GRAMMAR.constraint(), spell(f"<|channel|>{channel}<|message|>" + "0, " * 3000)) is None


@pytest.mark.parametrize("period", [1, 2, 63, 127, 128])
def test_a_loop_is_found_as_soon_as_it_is_long_enough(period: int) -> None:
    detector = LoopDetector()
    rng = random.Random(period)
    before, cycle = [rng.randrange(9) for _ in range(300)], [rng.randrange(10**6) for _ in range(period)]

    found = [index for index in range(4000) if detector.feed(before[index] if index < 300 else cycle[index % period])]

    assert 300 + 1024 <= found[0] + 1 <= 300 + 1024 + 256


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("seed", range(10))
def test_a_call_that_is_required_is_made(name: str, seed: int) -> None:
    tokenizer = VOCABULARIES[name]
    grammar = Grammar(OPENING, tokenizer)

    assert walk(grammar.constraint(tool_choice="required"), tokenizer, seed)[-1] == tokenizer.call
    assert walk(grammar.constraint(tool_choice="none"), tokenizer, seed)[-1] == tokenizer.return_
    named = walk(grammar.constraint(tool_choice="get_weather", analysis_limit=0), tokenizer, seed)
    assert "to=functions.get_weather" in tokenizer.decode(named)
    assert "to=functions.get_weather_of_many" not in tokenizer.decode(named)


def test_a_tool_that_is_not_there_cannot_be_required() -> None:
    with pytest.raises(
        ValueError, match=r"^tool_choice is 'shell'; give auto, none, required or a tool: there is browser"
    ):
        GRAMMAR.constraint(tool_choice="shell")
    with pytest.raises(ValueError, match="there are no tools"):
        PLAIN.constraint(tool_choice="required")


def test_22_without_tools_there_is_no_commentary(spell: Spell) -> None:
    state = fed(PLAIN.constraint(), spell("<|channel|>"))

    assert set(state.allowed()) == {*spell("analysis"), *spell("final")}


def test_only_valid_channels_are_spoken_on(spell: Spell) -> None:
    quiet = Grammar([Message.system(SystemContent(valid_channels=("final",)))], VOCABULARIES["o200k"])
    unnamed = Grammar([Message.system(SystemContent(valid_channels=()))], VOCABULARIES["o200k"])

    assert fed(quiet.constraint(), spell("<|channel|>")).allowed() == tuple(spell("final"))
    assert len(fed(unnamed.constraint(), spell("<|channel|>")).allowed()) == 2


def grammar_of(schema: object, name: str = "f") -> Grammar:
    tool = ToolDescription(name=name, description="", parameters=schema)  # type: ignore[arg-type]
    content = DeveloperContent(tools=(ToolNamespace(name="functions", tools=(tool,)),))
    return Grammar([Message.developer(content)], VOCABULARIES["o200k"])


def test_blanks_in_json_are_bounded(spell: Spell) -> None:
    call = "<|channel|>commentary to=functions.f<|message|>"
    grammar = grammar_of({"properties": {"a": {"type": "integer"}}, "required": ["a"]})

    assert refused_at(grammar.constraint(), spell(call + '{\n  "a" : 1\n}<|call|>')) is None
    for blanks in (" " * 100, "\n" * 10, "\t\n\t\n\t\n"):
        assert refused_at(grammar.constraint(), spell(call + "{" + blanks + '"a"')) is not None


@pytest.mark.parametrize("said", [{}, {"additionalProperties": False}, {"additionalProperties": True}])
def test_parameters_that_are_not_declared_are_taken_only_where_the_schema_says_so(
    said: dict[str, bool], spell: Spell
) -> None:
    grammar = grammar_of({"properties": {"a": {"type": "integer"}}, **said})
    ids = spell('<|channel|>commentary to=functions.f<|message|>{"a": 1, "b": 2}<|call|>')

    assert (refused_at(grammar.constraint(), ids) is None) == said.get("additionalProperties", False)


@pytest.mark.parametrize(
    ("schema", "notice"),
    [
        ({"properties": {"a": {"not": {"type": "string"}}}}, "functions.f: not all of the schema can be enforced: "),
        ({"properties": {"a": {"$ref": "https://example.org/a.json"}}}, "functions.f: the schema cannot be enforced"),
        ({"properties": {"a": {"type": "whatever"}}}, "functions.f: the schema cannot be enforced, only that it is"),
        ({"properties": {"a": {"enum": {1, 2}}}}, "functions.f: the schema cannot be enforced"),
        (
            {"properties": {"a": {"pattern": "("}}},
            "functions.f: the schema cannot be enforced, only that it is an object: "
            "regex parse error: ( ^ error: unclosed group",
        ),
    ],
)
def test_a_schema_that_cannot_be_enforced_is_said_and_any_object_is_taken(
    schema: object, notice: str, spell: Spell
) -> None:
    grammar = grammar_of(schema)

    assert [line[: len(notice)] for line in grammar.notices] == [notice]
    assert "\n" not in grammar.notices[0]
    ids = spell('<|channel|>commentary to=functions.f<|message|>{"a": 1}<|call|>')
    assert refused_at(grammar.constraint(), ids) is None


def test_a_schema_that_nothing_fits_does_not_leave_the_model_without_an_id(spell: Spell) -> None:
    grammar = grammar_of({"properties": {"a": {"type": "string", "minLength": 3, "maxLength": 1}}, "required": ["a"]})
    state = fed(grammar.constraint(), spell("<|channel|>commentary to=functions.f<|message|>"))

    assert ids_in(state.allowed())


@pytest.mark.parametrize("name", ["two words", "a<|b", "tab\tbed"])
def test_a_name_that_no_header_can_hold_is_said(name: str) -> None:
    grammar = grammar_of(None, name)

    assert grammar.recipients == ()
    assert grammar.notices == (f"no header can name {'functions.' + name!r}; the model cannot call it",)
