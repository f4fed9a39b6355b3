"""The grammar of what the assistant may say next: an automaton over ids that engines ask at each step.

    generation  = (thought | preamble)* (call | answer)
    thought     = <|channel|>analysis<|message|>            any text                      <|end|><|start|>assistant
    preamble    = <|channel|>commentary<|message|>          any text                      <|end|><|start|>assistant
    call        = a header with to=RECIPIENT <|message|>    JSON by its schema, or code   <|call|>
    answer      = <|channel|>final<|message|>               any text, or JSON by a schema <|return|>

It is what the parser reads without a repair and the renderer writes, no more: a malformed header, a tool that was not
declared, arguments of the wrong shape and reasoning without end cannot be sampled. Headers are a trie of the ids that
the renderer would write, free text is one mask of the vocabulary, and JSON is llguidance's. Objects that are nested, or
have many properties, have them in the order of their schema.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ostinato.harmony.grammar_bits import everything, ordinary, ranges, with_id
from ostinato.harmony.grammar_bodies import Body, Json, Seen, Text
from ostinato.harmony.grammar_forms import Form, message_forms, unwritable
from ostinato.harmony.grammar_headers import Headers
from ostinato.harmony.grammar_json import JsonGrammar, end_of_document, new_matcher
from ostinato.harmony.grammar_lark import lark_text
from ostinato.harmony.grammar_state import Closing, GrammarState, Rules, Why
from ostinato.harmony.message import Message
from ostinato.harmony.preamble import JsonSchema
from ostinato.harmony.tokenizer import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher

__all__ = ["AUTO", "NONE", "REQUIRED", "Closing", "Grammar", "GrammarState", "Why"]

AUTO, NONE, REQUIRED = "auto", "none", "required"


class Grammar:
    """What a conversation allows its assistant: compiled once, and asked for a new state for every generation.

    The tools and channels are those that the system and developer messages among `messages` declare. With a
    `response_schema` the final answer is JSON of that schema. `notices` say what could not be enforced, among it a
    schema that only an endless document would meet, as far as that is found out.
    """

    def __init__(
        self, messages: Iterable[Message], tokenizer: Tokenizer, *, response_schema: JsonSchema | None = None
    ) -> None:
        messages = list(messages)
        self._tokenizer, self._special = tokenizer, tokenizer.special_ids()
        self._forms = message_forms(messages, response_schema)
        self._json = {form: JsonGrammar.of(form.schema) for form in self._forms if form.schema is not None}
        self._matchers: dict[JsonGrammar, LLMatcher] = {}
        self._seen: dict[str, Seen] = {}
        self._rules: dict[str, Rules] = {}
        self._text = {form.terminator: self._text_until(form.terminator) for form in self._forms}
        self._everything = everything(tokenizer)
        faults = [
            f"{form.recipient or 'the answer'}: {each.notice}" for form, each in self._json.items() if each.notice
        ]
        unnamed = [f"no header can name {name!r}; the model cannot call it" for name in unwritable(messages)]
        self.notices = tuple(dict.fromkeys([*unnamed, *faults]))

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every recipient that may be called."""
        return tuple(dict.fromkeys(form.recipient for form in self._forms if form.recipient is not None))

    def constraint(
        self, *, tool_choice: str = AUTO, analysis_limit: int | None = None, watches_loops: bool = True
    ) -> GrammarState:
        """Begin a generation, after `<|start|>assistant`.

        `tool_choice` is "auto", "none" (no call), "required" (a call, no answer), or the recipient that must be called.
        `analysis_limit` is how many ids of reasoning may come in all: 0 is no reasoning, None any number.

        Raises:
            ValueError: if there is no such recipient, or none at all where one is required.
        """
        if tool_choice not in self._rules:
            self._rules[tool_choice] = self._rules_for(self._chosen(tool_choice))
        return GrammarState(self._rules[tool_choice], analysis_limit=analysis_limit, watches_loops=watches_loops)

    def _rules_for(self, forms: Iterable[Form]) -> Rules:
        return Rules(
            headers=Headers(forms, self._tokenizer, answer=self._forms[-1]),
            special_ids=self._special,
            body_of=self._body_of,
            everything=self._everything,
            lark=self._lark,
        )

    def _chosen(self, tool_choice: str) -> list[Form]:
        """Return the forms that a choice leaves."""
        if tool_choice == AUTO:
            return list(self._forms)
        if tool_choice == NONE:
            return [form for form in self._forms if form.recipient is None and not form.is_preamble]
        there_is = f"there is {', '.join(self.recipients)}" if self.recipients else "there are no tools"
        named = self.recipients if tool_choice == REQUIRED else _named(tool_choice, self.recipients)
        if not named:
            raise ValueError(f"tool_choice is {tool_choice!r}; give auto, none, required or a tool: {there_is}")
        return [form for form in self._forms if form.is_talk or form.recipient in named]

    def _body_of(self, form: Form) -> Body:
        text = self._text[form.terminator]
        grammar = self._json.get(form)
        if grammar is None:
            return text
        if grammar not in self._matchers:
            self._matchers[grammar] = new_matcher(grammar, self._tokenizer)
        return Json(
            self._matchers[grammar].deep_copy(),
            end=end_of_document(self._tokenizer),
            terminator=self._special[form.terminator],
            fallback=text,
            seen=self._seen.setdefault(form.terminator, {}),
        )

    def _text_until(self, terminator: str) -> Text:
        return Text(with_id(ordinary(self._tokenizer), self._special[terminator]))

    def _lark(self, forms: Sequence[Form]) -> str:
        return lark_text(forms, self._json, ranges(ordinary(self._tokenizer)))


def _named(name: str, recipients: Collection[str]) -> list[str]:
    return [recipient for recipient in recipients if recipient in (name, f"functions.{name}")]
