"""Measure what the grammar costs a token at the 201,088 ids of gpt-oss, and what it costs a generation to begin.

Also how fast the embedded model is with it and without, in tokens per second of processor time.

Beside it, on the same ids: llguidance alone with the whole generation as one Lark grammar, and xgrammar for JSON by
schema if it is installed (`pip install --no-deps xgrammar apache-tvm-ffi`; it is no dependency of this project).

    python benchmarks/grammar_speed.py
"""

import argparse
import asyncio
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.tiktoken import lltokenizer_from_encoding

from ostinato.agent.models import Model, load_model
from ostinato.engine.mask import Masks
from ostinato.harmony import (
    DeveloperContent,
    Message,
    SystemContent,
    Tokenizer,
    ToolDescription,
    ToolNamespace,
    render,
)
from ostinato.harmony.grammar import Grammar
from ostinato.harmony.grammar_json import json_tokenizer
from ostinato.training.episodes import PYTHON

TOKENIZER = Tokenizer.o200k_harmony()
WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "points": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}}},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city"],
}
FUNCTION = ToolDescription(name="get_weather", description="Get it.", parameters=WEATHER)
OPENING = [
    Message.system(SystemContent(tools=(ToolNamespace(name="python", description="Run code."),))),
    Message.developer(DeveloperContent(tools=(ToolNamespace(name="functions", tools=(FUNCTION,)),))),
]
HEADER = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
STRING = {
    "city": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch, a village on the island of Anglesey in Wales"
}
NUMBERS = {"city": "Kyoto", "days": 3, "points": [{"x": 1.5}, {"x": -2.25}, {"x": 3}], "unit": "celsius"}
TEXTS = {
    "free text": ("<|channel|>analysis<|message|>", "The user wants the weather of three days, so I look it up. " * 40),
    "header": ("", HEADER),
    "JSON, mostly a string": (HEADER, json.dumps(STRING)),
    "JSON, mostly structure": (HEADER, json.dumps(NUMBERS)),
}
ROUNDS = 30


class Ours:
    """The grammar as an engine uses it."""

    def __init__(self, grammar: Grammar) -> None:
        self.state = grammar.constraint(analysis_limit=100_000)
        self.allowed, self.accept = self.state.allowed, self.state.accept


class Llguidance:
    """One matcher for the whole generation, or for a JSON body."""

    def __init__(self, matcher: LLMatcher) -> None:
        self.matcher, self.accept = matcher.deep_copy(), lambda number: self.matcher.consume_token(number)

    def allowed(self) -> "np.ndarray":
        """Return the packed bits."""
        return np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint8)


class Xgrammar:
    """A matcher for JSON by schema."""

    def __init__(self, compiled: object) -> None:
        import xgrammar

        self.matcher = xgrammar.GrammarMatcher(compiled)
        self.bits = xgrammar.allocate_token_bitmask(1, TOKENIZER.vocab_size)
        self.accept = self.matcher.accept_token

    def allowed(self) -> "np.ndarray":
        """Return the packed bits."""
        self.matcher.fill_next_token_bitmask(self.bits)
        return self.bits[0].numpy().view(np.uint8).copy()


def spelled(text: str) -> list[int]:
    """Encode harmony text."""
    return TOKENIZER.encoding.encode(text, allowed_special="all")


def microseconds(make: Callable[[], "Ours | Llguidance | Xgrammar"], before: str, text: str) -> tuple[float, float]:
    """Return what a token of `text` costs: to ask and to tell, and to mask 201,088 logits.

    Of each token it is the median of all rounds, then the mean of all tokens: other processes do not count.
    """
    logits = np.zeros(TOKENIZER.vocab_size, dtype=np.float32)
    rounds = np.empty((ROUNDS, len(spelled(text)), 2))
    for spent in rounds:
        constraint, masks = make(), Masks()
        for number in spelled(before):
            constraint.accept(number)
        for row, number in zip(spent, spelled(text), strict=True):
            begin = time.perf_counter()
            allowed = constraint.allowed()
            middle = time.perf_counter()
            if isinstance(allowed, np.ndarray):  # few ids are rows of the unembedding: no logits, no mask
                masks.apply(logits, allowed)
            end = time.perf_counter()
            constraint.accept(number)
            row[:] = middle - begin + time.perf_counter() - end, end - middle
    asking, masking = np.median(rounds, axis=0).mean(axis=0) * 1e6
    return float(asking), float(masking)


def milliseconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1e3


def report(name: str, costs: tuple[float, float]) -> None:
    """Print one row."""
    print(f"{name:56} {costs[0]:8.1f} µs   mask {costs[1]:8.1f} µs")


def compare(grammar: Grammar) -> None:
    """Measure a token beside the peers."""
    whole = LLMatcher(
        lltokenizer_from_encoding(TOKENIZER.encoding, n_vocab=TOKENIZER.vocab_size),
        LLMatcher.grammar_from_lark(grammar.constraint().lark),
    )
    for name, (before, text) in TEXTS.items():
        report(f"{name}: ostinato", microseconds(lambda: Ours(grammar), before, text))
        report(f"{name}: llguidance alone", microseconds(lambda: Llguidance(whole), before, text))
    documents = [text for before, text in TEXTS.values() if before == HEADER]
    schema = {**WEATHER, "additionalProperties": False}
    body = LLMatcher(json_tokenizer(TOKENIZER), LLMatcher.grammar_from_json_schema(schema))
    for document in documents:
        report(f"only {document[:24]}…: llguidance", microseconds(lambda: Llguidance(body), "", document))
    if find_spec("xgrammar") is None:
        print("xgrammar: skipped, it is not installed")
        return
    compiled = xgrammar_compiled(schema)
    for document in documents:
        report(f"only {document[:24]}…: xgrammar", microseconds(lambda: Xgrammar(compiled), "", document))


def xgrammar_compiled(schema: object) -> object:
    """Compile a schema with xgrammar."""
    import xgrammar

    tokens = [TOKENIZER.token_bytes(number) for number in range(TOKENIZER.vocab_size)]
    info = xgrammar.TokenizerInfo(tokens, vocab_size=TOKENIZER.vocab_size, stop_token_ids=[TOKENIZER.call])
    return xgrammar.GrammarCompiler(info).compile_json_schema(json.dumps(schema))


async def generated(model: Model, messages: list[Message], grammar: Grammar | None) -> float:
    """Return the tokens of a generation per second of processor time."""
    prompt = render(messages, model.tokenizer)
    constraint = grammar.constraint() if grammar else None
    begin, count = time.process_time(), 0
    settings = {"sampling": model.sampling, "stop_ids": model.tokenizer.stop_ids}
    async for _ in model.engine.stream(prompt, **settings, constraint=constraint):
        count += 1
    return count / (time.process_time() - begin)


async def embedded() -> None:
    """Measure the embedded model, with and without in turns."""
    model = load_model("nano")
    messages = [Message.system(SystemContent(tools=(PYTHON,))), Message.user("What is 48271 * 9931?")]
    grammar = Grammar(messages, model.tokenizer)
    rates = [[await generated(model, messages, each) for each in (None, grammar)] for _ in range(150)]
    free, constrained = np.median(rates, axis=0)
    print(f"the embedded model, tokens a second: free {free:.0f}, constrained {constrained:.0f}")


def starts(make: Sequence[Callable[[], object]]) -> list[float]:
    """Return the milliseconds of each action in turn."""
    return [milliseconds(action) for action in make]


def main() -> None:
    """Measure all."""
    torch.set_num_threads(1)
    machine = f"{platform.platform()}, Python {platform.python_version()}, torch {version('torch')}"
    print(f"{machine}, llguidance {version('llguidance')}, one thread")
    build = milliseconds(lambda: json_tokenizer(TOKENIZER))
    compiled = starts([lambda: Grammar(OPENING, TOKENIZER)] * 11)
    grammar = Grammar(OPENING, TOKENIZER)
    first = milliseconds(grammar.constraint)
    begun = statistics.median(starts([grammar.constraint] * 101)) * 1e3
    print(f"llguidance's form of the vocabulary, once a process      {build:8.1f} ms")
    others = statistics.median(compiled[1:])
    print(f"a conversation: its grammar, first and median of others  {compiled[0]:8.1f} ms {others:8.1f} ms")
    print(f"a generation: its state, first and median of others      {first * 1e3:8.1f} µs {begun:8.1f} µs")
    compare(grammar)
    asyncio.run(embedded())


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
