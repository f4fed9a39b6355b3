"""JSON by schema, id by id: llguidance, kept to bodies of messages (docs/decisions/0006-grammar.md)."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ostinato.harmony.preamble import JsonSchema
from ostinato.harmony.tokenizer import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

# Between the parts of a document: two blanks, or a line break and an indent. Unbounded, a model that is unsure what
# comes next writes blanks without end.
WHITESPACE = r"[ \t]{0,2}(\r?\n[ \t]{0,60})?"
OPTIONS = {
    "whitespace_flexible": True,
    "whitespace_pattern": WHITESPACE,
    "json_allow_general_unicode_escapes": True,
}
ANY_OBJECT: JsonSchema = {"type": "object"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JsonGrammar:
    """A schema that llguidance can follow; `notice` says what of the one that was asked for it cannot."""

    schema: JsonSchema
    notice: str | None = None

    @property
    def text(self) -> str:
        """The grammar as llguidance takes it."""
        from llguidance import LLMatcher

        return LLMatcher.grammar_from_json_schema(json.dumps(self.schema))

    @classmethod
    def of(cls, schema: JsonSchema) -> "JsonGrammar":
        """Follow `schema` as far as it goes: whole, without the keywords that are not known, or any object."""
        fault = ""
        for options in (OPTIONS, {**OPTIONS, "lenient": True}):
            complaint = _complaint({**schema, "x-guidance": options})
            if not complaint:
                notice = f"not all of the schema can be enforced: {fault}" if fault else None
                return cls(schema={**schema, "x-guidance": options}, notice=notice)
            fault = fault or complaint
        notice = f"the schema cannot be enforced, only that it is an object: {fault}"
        return cls(schema={**ANY_OBJECT, "x-guidance": OPTIONS}, notice=notice)


def _complaint(schema: JsonSchema) -> str:
    """Say what llguidance has against a schema, in one line; nothing if it takes it."""
    from llguidance import LLMatcher

    try:
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema))
    except (TypeError, ValueError, RecursionError) as error:
        return str(error).partition("\n")[0]
    return LLMatcher.validate_grammar(grammar).partition("\n")[0]


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
