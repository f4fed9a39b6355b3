"""What the tests of the grammar share: tools, arguments that fit them, openings, and walks over what is allowed."""

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ostinato.engine.nano import folder
from ostinato.harmony import DeveloperContent, Message, SystemContent, Tokenizer, ToolDescription, ToolNamespace
from ostinato.harmony.grammar import GrammarState

VOCABULARIES = {
    "o200k": Tokenizer.o200k_harmony(),
    "nano": Tokenizer.from_file(folder() / "vocabulary.json"),
}
Allowed = Sequence[int] | np.ndarray

texts = st.text(max_size=12).map(lambda text: text.replace("\x7f", ""))  # llguidance has it only escaped
integers = st.integers(-(10**6), 10**6)
floats = st.floats(allow_nan=False, allow_infinity=False, width=32)
# The parameters of a function, and arguments that fit them; nested objects are in the order of the schema.
FUNCTIONS: dict[str, tuple[dict[str, Any] | None, st.SearchStrategy[dict[str, Any]]]] = {
    "now": (None, st.just({})),
    "get_weather": (
        {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Where"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            },
            "required": ["city"],
        },
        st.fixed_dictionaries({"city": texts}, optional={"unit": st.sampled_from(["celsius", "fahrenheit"])}),
    ),
    "get_weather_of_many": (
        {
            "type": "object",
            "properties": {
                "cities": {"type": "array", "items": {"type": "string"}},
                "day": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            },
            "required": ["cities", "day"],
            "additionalProperties": False,
        },
        st.fixed_dictionaries({"cities": st.lists(texts, max_size=3), "day": st.none() | integers}),
    ),
    "plot": (
        {
            "type": "object",
            "properties": {
                "points": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
                        "required": ["x", "y"],
                        "additionalProperties": False,
                    },
                },
                "options": {"$ref": "#/$defs/Options"},
            },
            "required": ["points"],
            "$defs": {"Options": {"type": "object", "properties": {"grid": {"type": "boolean"}}}},
        },
        st.fixed_dictionaries(
            {"points": st.lists(st.builds(lambda x, y: {"x": x, "y": y}, floats, floats), max_size=2)},
            optional={"options": st.fixed_dictionaries({"grid": st.booleans()})},
        ),
    ),
}
FUNCTIONS_NAMESPACE = ToolNamespace(
    name="functions",
    tools=tuple(
        ToolDescription(name=name, description="Do it.", parameters=schema) for name, (schema, _) in FUNCTIONS.items()
    ),
)
BROWSER = ToolNamespace(
    name="browser",
    tools=(
        ToolDescription(
            name="search",
            description="Search.",
            parameters={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        ),
    ),
)
PYTHON = ToolNamespace(name="python", description="Run code.")
SCHEMAS: dict[str, Any] = {
    f"functions.{name}": schema or {"type": "object", "maxProperties": 0} for name, (schema, _) in FUNCTIONS.items()
} | {"browser.search": BROWSER.tools[0].parameters}
OPENING = [
    Message.system(SystemContent(tools=(BROWSER, PYTHON))),
    Message.developer(DeveloperContent(tools=(FUNCTIONS_NAMESPACE,))),
]
BARE = [Message.system(SystemContent())]
ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}, "why": {"type": "string"}},
    "required": ["sum", "why"],
    "additionalProperties": False,
}

prose = st.text(max_size=40) | st.sampled_from(
    ["", "<|end|>", "<|start|>assistant", "🎵é\n\n", " to=python code", "{}"]
)
talk = st.builds(Message.assistant, prose, channel=st.sampled_from(["analysis", "commentary"]))
answers = st.builds(Message.assistant, prose, channel=st.just("final"))
layouts = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])
json_types = st.sampled_from([None, "json", "code", "<|constrain|>json"])


def _call(recipient: str, arguments: Any, layout: Any, channel: str, content_type: str | None) -> Message:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, **layout)
    return Message.assistant(text, channel=channel, recipient=recipient, content_type=content_type)


@st.composite
def calls(draw: st.DrawFn) -> Message:
    """A call of a declared tool, as a model that knows the format writes it."""
    recipient = draw(st.sampled_from(["python", *SCHEMAS]))
    layout, channel = draw(layouts), draw(st.sampled_from(["analysis", "commentary"]))
    if recipient == "python":
        return _call(recipient, draw(prose), layout, channel, draw(st.sampled_from([None, "code"])))
    if recipient == "browser.search":
        return _call(recipient, {"query": draw(texts)}, layout, channel, draw(json_types))
    arguments = draw(FUNCTIONS[recipient.removeprefix("functions.")][1])
    shuffled = {key: arguments[key] for key in draw(st.permutations(list(arguments)))}
    return _call(recipient, shuffled, layout, channel, draw(json_types))


generations = st.builds(lambda before, last: [*before, last], st.lists(talk, max_size=3), answers | calls())


def ids_in(allowed: Allowed) -> list[int]:
    if isinstance(allowed, np.ndarray):
        return np.flatnonzero(np.unpackbits(allowed, bitorder="little")).tolist()
    return list(allowed)


def _any_of(allowed: Allowed, rng: random.Random) -> int:
    for _ in range(20):
        number = rng.randrange(8 * allowed.size) if isinstance(allowed, np.ndarray) else rng.choice(allowed)
        if is_in(number, allowed):
            return number
    return rng.choice(ids_in(allowed))


def is_in(number: int, allowed: Allowed) -> bool:
    if isinstance(allowed, np.ndarray):
        return number < 8 * allowed.size and bool(allowed[number >> 3] >> (number & 7) & 1)
    return number in allowed


def refused_at(state: GrammarState, ids: Sequence[int]) -> int | None:
    """Return the index of the first id that is not allowed."""
    for index, number in enumerate(ids):
        if not is_in(number, state.allowed()):
            return index
        state.accept(number)
        assert not state.is_lost
    return None


def walk(state: GrammarState, tokenizer: Tokenizer, seed: int, *, length: int = 4000) -> list[int]:
    """Take any of what is allowed until the generation is over, more and more what brings it to an end."""
    rng = random.Random(seed)
    closing = ['"', '"}', "}", "]", '"]', ":", '":', "0", "1", '"\n', ',"']
    ending = [tokenizer.return_, tokenizer.call, tokenizer.end]
    ending += [tokenizer.encode(text)[0] for text in closing]
    ids: list[int] = []
    while len(ids) < length:
        allowed = state.allowed()
        if len(allowed) == 0:
            return ids
        ready = [number for number in ending if is_in(number, allowed)]
        is_ready = bool(ready) and rng.random() < 0.15 + len(ids) / 200
        ids.append(rng.choice(ready) if is_ready else _any_of(allowed, rng))
        state.accept(ids[-1])
        assert not state.is_lost
    raise AssertionError(f"no end after {length} ids: {tokenizer.decode(ids[-50:])!r}")
