"""JSON by schema, id by id: llguidance, kept to bodies of messages (docs/decisions/0006-grammar.md).

llguidance takes the properties of an object in the order of the schema. A model that writes an optional one too early
could then never write those before it, and would leave them out. So the object itself, if it has few properties, is
written as rules that know which ones are there already, and only the values are left to JSON schema:

    object: OPEN object_0                       object_0: a object_1 | b object_2 | CLOSE
    object_1: COMMA b object_3 | CLOSE          …
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ostinato.harmony.grammar_cost import intersects_many_patterns, why_unfit, without_patterns
from ostinato.harmony.json_schema import objects_in
from ostinato.harmony.preamble import JsonSchema
from ostinato.harmony.tokenizer import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

# Between the parts of a document: two blanks, or a line break and an indent. Unbounded, a model that is unsure what
# comes next writes blanks without end.
WHITESPACE = r"[ \t]{0,2}(\r?\n[ \t]{0,60})?"
PUNCTUATION = (
    rf"OPEN: /\{{{WHITESPACE}/",
    rf"CLOSE: /{WHITESPACE}\}}/",
    rf"COMMA: /{WHITESPACE},{WHITESPACE}/",
    rf"COLON: /{WHITESPACE}:{WHITESPACE}/",
)
OPTIONS = {
    "whitespace_flexible": True,
    "whitespace_pattern": WHITESPACE,
    "json_allow_general_unicode_escapes": True,
}
ANY_OBJECT: JsonSchema = {"type": "object"}
_MOST_IN_ANY_ORDER = 6  # properties; the rules double with each
_SHARED = ("$defs", "definitions")
_SHARED_REFERENCES = tuple(f"#/{key}/" for key in _SHARED)
_OWN_ROOT = frozenset({"$id", *_SHARED})  # with one of these a property's schema has definitions of its own
# A complaint names a place in rules that nobody else sees, and ends with an excerpt of them.
_PLACE = re.compile(r"^at \d+\(\d+\): (failed to compile JSON schema: )?")
_EXCERPT = re.compile(r"\n +\d+ \| ")
_SIMPLE = {"type", "properties", "required", "additionalProperties", "title", "description", "$schema", *_SHARED}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JsonGrammar:
    """A schema that llguidance can follow; `notice` says what of the one that was asked for it cannot."""

    schema: JsonSchema
    options: dict[str, object]
    is_in_any_order: bool
    notice: str | None = None

    @classmethod
    def of(cls, schema: JsonSchema) -> "JsonGrammar":
        """Follow `schema` as far as it goes: whole, without the keywords that are not known, or any object."""
        try:
            return _compiled(json.dumps(schema))
        except (TypeError, ValueError, RecursionError) as error:
            return _any_object(f"it is no JSON: {error}")

    def rules(self, name: str) -> Iterator[str]:
        """Write Lark rules of which `name` is a document; they need PUNCTUATION."""
        if self.is_in_any_order:
            yield from _object_rules(name, self.schema, self.options)
        else:
            yield f"{name}: {_by_schema(self.schema, self.options)}"

    @property
    def text(self) -> str:
        """The grammar of a whole document."""
        from llguidance import LLMatcher

        return LLMatcher.grammar_from_lark("\n".join(["start: json", *self.rules("json"), *PUNCTUATION, ""]))

    @property
    def complaint(self) -> str:
        """What llguidance has against the grammar, in one line; nothing if it takes it."""
        from llguidance import LLMatcher

        complaint = _EXCERPT.split(LLMatcher.validate_grammar(self.text))[0]
        return " ".join(_PLACE.sub("", complaint).split())


@lru_cache(maxsize=1024)
def _compiled(schema_text: str) -> JsonGrammar:
    schema = json.loads(schema_text)
    if reason := why_unfit(schema):
        return _any_object(reason)
    fault = ""
    if intersects_many_patterns(schema):
        schema, fault = without_patterns(schema), "too many patterns may have to hold together"
    for options in (OPTIONS, {**OPTIONS, "lenient": True}):
        for is_in_any_order in (True, False) if _can_be_in_any_order(schema) else (False,):
            notice = f"not all of the schema can be enforced: {fault}" if fault else None
            grammar = JsonGrammar(schema=schema, options=options, is_in_any_order=is_in_any_order, notice=notice)
            if not (complaint := grammar.complaint):
                return grammar
        fault = fault or complaint
    return _any_object(fault)


def _any_object(fault: str) -> JsonGrammar:
    notice = f"the schema cannot be enforced, only that it is an object: {fault}"
    return JsonGrammar(schema=ANY_OBJECT, options=OPTIONS, is_in_any_order=False, notice=notice)


def _can_be_in_any_order(schema: dict[str, Any]) -> bool:
    properties, required = schema.get("properties"), schema.get("required", [])
    return (
        set(schema) <= _SIMPLE
        and schema.get("type") == "object"
        and schema.get("additionalProperties") is False
        and isinstance(properties, dict)
        and len(properties) <= _MOST_IN_ANY_ORDER
        and all(isinstance(value, dict) and _OWN_ROOT.isdisjoint(value) for value in properties.values())
        and isinstance(required, list)
        and all(key in properties for key in required)
        and all(map(_refers_to_shared, objects_in(schema)))
    )


def _refers_to_shared(schema: Mapping[str, object]) -> bool:
    """Say whether a reference, if there is one, means the same where a property's schema is the whole document."""
    reference = schema.get("$ref")
    return not isinstance(reference, str) or reference.startswith(_SHARED_REFERENCES)


def _object_rules(name: str, schema: JsonSchema, options: dict[str, object]) -> Iterator[str]:
    """Write an object's properties in any order, each at most once, the required ones once."""
    keys = list(schema["properties"])
    needed = sum(1 << keys.index(key) for key in set(schema.get("required", ())))
    yield f"{name}: OPEN {name}_0"
    for seen in range(1 << len(keys)):
        comma = "COMMA " if seen else ""
        left = [index for index in range(len(keys)) if not seen >> index & 1]
        ways = [f"{comma}{name}_p{index} {name}_{seen | 1 << index}" for index in left]
        yield f"{name}_{seen}: {' | '.join([*ways, 'CLOSE'] if needed & ~seen == 0 else ways)}"
    shared = {key: schema[key] for key in _SHARED if key in schema}
    for index, key in enumerate(keys):
        value = _by_schema({**shared, **schema["properties"][key]}, options)
        yield f"{name}_p{index}: {_quoted(_quoted(key))} COLON {value}"


def _by_schema(schema: JsonSchema, options: dict[str, object]) -> str:
    return f"%json {json.dumps({**schema, 'x-guidance': options})}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@lru_cache(maxsize=4)
def json_tokenizer(tokenizer: Tokenizer) -> "LLTokenizer":
    """Return llguidance's form of a vocabulary; making it takes about a second for 200,000 tokens."""
    from llguidance import LLTokenizer
    from llguidance.tiktoken import lltokenizer_from_encoding

    return lltokenizer_from_encoding(
        tokenizer.encoding,
        n_vocab=tokenizer.vocab_size,
        eos_token=end_of_document(tokenizer),
        slices=LLTokenizer.json_slices(),
    )


def end_of_document(tokenizer: Tokenizer) -> int:
    """Return the id by which llguidance says that the document may end here."""
    return tokenizer.special_ids().get("<|endoftext|>", tokenizer.return_)


def new_matcher(grammar: JsonGrammar, tokenizer: Tokenizer) -> "LLMatcher":
    """Begin a document. It never raises: what goes wrong shows in `is_error`."""
    from llguidance import LLMatcher

    return LLMatcher(json_tokenizer(tokenizer), grammar.text, log_level=0)
