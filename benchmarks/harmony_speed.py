"""Compare ostinato.harmony with openai-harmony (Rust) in one process, on the same conversations and ids.

Each figure is the median of paired runs, ours and the peer's in turn; a ratio above 1 means that ours is faster.

    python benchmarks/harmony_speed.py [--runs 7]

Needs the development packages: the peer reads the bundled ranks from a temporary folder, so no network is used.
"""

import argparse
import ast
import base64
import dataclasses
import inspect
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import tarfile
import tempfile
import time
import typing
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import openai_harmony as peer

from ostinato.harmony import (
    Conversation,
    DeveloperContent,
    DropAnalysis,
    Message,
    Renderer,
    StreamParser,
    SystemContent,
    Tokenizer,
    ToolDescription,
    ToolNamespace,
    render,
)
from ostinato.harmony.o200k import COUNT

SIZES = (1_000, 10_000, 100_000)
STATE_SIZES = (1_000, 10_000)  # the peer's `.state_data` costs its whole message at every id
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}, "top": {"type": "integer", "default": 10}}}
SOURCES = (argparse, ast, dataclasses, inspect, pathlib, statistics, subprocess, tarfile, typing)  # English and code


def load_peer(tokenizer: Tokenizer) -> peer.HarmonyEncoding:
    """Load the peer's encoding from our ranks."""
    with tempfile.TemporaryDirectory() as folder:
        lines = (base64.b64encode(tokenizer.token_bytes(rank)) + b" %d\n" % rank for rank in range(COUNT))
        (Path(folder) / "o200k_base.tiktoken").write_bytes(b"".join(lines))
        os.environ["TIKTOKEN_ENCODINGS_BASE"] = folder
        return peer.load_harmony_encoding("HarmonyGptOss")


def turns(tokenizer: Tokenizer, size: int) -> list[list[Message]]:
    """Make turns of a user's text, reasoning, a call, its result and an answer until they have `size` tokens."""
    source = random.Random(size)
    made: list[list[Message]] = []
    length = 0
    while length < size:
        question = [Message.user(prose(source, 30))]
        arguments = json.dumps({"query": prose(source, 6), "top": source.randrange(50)})
        work = [
            Message.assistant(prose(source, 60), channel="analysis"),
            Message.assistant(
                arguments, channel="commentary", recipient="functions.search", content_type="<|constrain|>json"
            ),
            Message.tool(prose(source, 120), name="functions.search", channel="commentary"),
            Message.assistant(prose(source, 80), channel="final"),
        ]
        made.append(question + work)
        length += len(render(made[-1], tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE))
    return made


def prose(source: random.Random, count: int) -> str:
    """Take a text of `count` words from the standard library, as varied as what a model reads and writes."""
    words = library_words()
    begin = source.randrange(len(words) - count) if count < len(words) else 0
    return " ".join((words * (count // len(words) + 1))[begin : begin + count])


@cache
def library_words() -> list[str]:
    """Return the words of some modules."""
    return " ".join(inspect.getsource(module) for module in SOURCES).split()


def preamble() -> list[Message]:
    """Make the system and developer messages, with one function."""
    search = ToolDescription(name="search", description="Searches.", parameters=SCHEMA)
    functions = ToolNamespace(name="functions", tools=(search,))
    developer = DeveloperContent(instructions="Be brief.", tools=(functions,))
    return [Message.system(SystemContent(current_date="2026-01-01")), Message.developer(developer)]


def theirs(messages: Sequence[Message]) -> peer.Conversation:
    """Make the peer's conversation of ours."""
    return peer.Conversation.from_messages([_their_message(message) for message in messages])


def _their_message(message: Message) -> peer.Message:
    author = peer.Author(role=peer.Role(message.author.role.value), name=message.author.name)
    content: list[peer.Content]
    match message.content[0]:
        case SystemContent() as system:
            content = [peer.SystemContent.new().with_conversation_start_date(system.current_date or "")]
        case DeveloperContent() as developer:
            search = peer.ToolDescription.new("search", "Searches.", parameters=SCHEMA)
            instructions = developer.instructions or ""
            content = [peer.DeveloperContent.new().with_instructions(instructions).with_function_tools([search])]
        case text:
            content = [peer.TextContent(text=text)]
    return peer.Message(
        author=author,
        content=content,
        channel=message.channel,
        recipient=message.recipient,
        content_type=message.content_type,
    )


def paired(ours: Callable[[], object], other: Callable[[], object], runs: int) -> tuple[float, float, float]:
    """Return the median seconds of both and the median of the ratios, peer over ours."""
    pairs = []
    for _ in range(runs):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        other()
        pairs.append((middle - start, time.perf_counter() - middle))
    own, its = zip(*pairs, strict=True)
    return statistics.median(own), statistics.median(its), statistics.median(b / a for a, b in pairs)


def report(name: str, size: int, measured: tuple[float, float, float]) -> None:
    """Print one row."""
    own, its, ratio = measured
    print(f"| {name} | {size:,} | {own * 1000:.2f} | {its * 1000:.2f} | {ratio:.2f}x |", flush=True)


def compare(tokenizer: Tokenizer, encoding: peer.HarmonyEncoding, size: int, runs: int) -> None:
    """Measure one size."""
    made = turns(tokenizer, size)
    messages = preamble() + [message for turn in made for message in turn]
    conversation = theirs(messages)
    config = peer.RenderConversationConfig(auto_drop_analysis=False)

    def peer_renders(its: peer.Conversation) -> Sequence[int]:
        return encoding.render_conversation_for_completion(its, peer.Role.ASSISTANT, config)

    def we_render() -> list[int]:
        return render(messages, tokenizer, drop_analysis=DropAnalysis.NONE)

    length = len(we_render())
    assert length == len(peer_renders(conversation)), "the same conversation"
    report("render, all at once", length, paired(we_render, lambda: peer_renders(conversation), runs))

    measured = paired(we_go_on(made, tokenizer, runs), peer_goes_on(made, peer_renders, runs), runs)
    report("render one more turn, before each of its generations", length, measured)

    ids = render(messages[2:], tokenizer, next_role=None, drop_analysis=DropAnalysis.NONE)
    report(
        "parse, deltas read", len(ids), paired(lambda: parse(tokenizer, ids), lambda: peer_parses(encoding, ids), runs)
    )
    if size in STATE_SIZES:
        state = paired(lambda: parse_state(tokenizer, ids), lambda: peer_parses_state(encoding, ids), runs)
        report("parse, state read at every id", len(ids), state)
        long = render([Message.assistant(prose(random.Random(size), size), channel="final")], tokenizer, next_role=None)
        state = paired(
            lambda: parse_state(tokenizer, long), lambda: peer_parses_state(encoding, long), max(1, runs // 3)
        )
        report("parse, state read at every id, one message", len(long), state)


def we_go_on(made: Sequence[Sequence[Message]], tokenizer: Tokenizer, runs: int) -> Callable[[], None]:
    """Return what renders the last turn, in conversations prepared up to it."""
    earlier = preamble() + [message for turn in made[:-1] for message in turn]
    prepared = []
    for _ in range(runs):
        conversation = Conversation(earlier)
        renderer = Renderer(conversation, tokenizer)
        renderer.ids()
        prepared.append((conversation, renderer))

    def go_on() -> None:
        conversation, renderer = prepared.pop()
        for message in made[-1]:
            conversation.append(message)
            if message.author.role != "assistant":
                renderer.ids()

    return go_on


def peer_goes_on(
    made: Sequence[Sequence[Message]], renders: Callable[[peer.Conversation], object], runs: int
) -> Callable[[], None]:
    """Return the same for the peer; its messages are made beforehand."""
    earlier = theirs(preamble() + [message for turn in made[:-1] for message in turn]).messages
    last = theirs(made[-1]).messages
    prepared = [list(earlier) for _ in range(runs)]

    def go_on() -> None:
        messages = prepared.pop()
        for message in last:
            messages.append(message)
            if message.author.role != peer.Role.ASSISTANT:
                renders(peer.Conversation.from_messages(messages))

    return go_on


def parse(tokenizer: Tokenizer, ids: Sequence[int]) -> list[object]:
    """Parse and keep all that comes out."""
    parser = StreamParser(tokenizer, role=None)
    outputs: list[object] = []
    for number in ids:
        outputs.extend(parser.feed(number))
    outputs.extend(parser.finish())
    return outputs


def peer_parses(encoding: peer.HarmonyEncoding, ids: Sequence[int]) -> list[object]:
    """Parse with the peer and read each delta and, at the end, the messages."""
    parser = peer.StreamableParser(encoding, None)
    outputs: list[object] = []
    for number in ids:
        parser.process(number)
        outputs.append(parser.last_content_delta)
    parser.process_eos()
    return [*outputs, *parser.messages]


def parse_state(tokenizer: Tokenizer, ids: Sequence[int]) -> None:
    """Parse and read, at every id, where the parser is."""
    parser = StreamParser(tokenizer, role=None)
    for number in ids:
        parser.feed(number)
        _ = (parser.state, parser.channel, parser.recipient, parser.content_type)
    parser.finish()


def peer_parses_state(encoding: peer.HarmonyEncoding, ids: Sequence[int]) -> None:
    """Parse with the peer and read, at every id, where the parser is."""
    parser = peer.StreamableParser(encoding, None)
    for number in ids:
        parser.process(number)
        _ = (parser.state, parser.current_channel, parser.current_recipient, parser.current_content_type)
    parser.process_eos()


def main() -> None:
    """Measure all sizes."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=7)
    runs = arguments.parse_args().runs
    tokenizer = Tokenizer.o200k_harmony()
    encoding = load_peer(tokenizer)
    print(f"{platform.platform()}, Python {platform.python_version()}, {runs} runs\n")
    print("| what | tokens | ours, ms | openai-harmony, ms | ours is faster by |\n|---|---|---|---|---|")
    for size in SIZES:
        compare(tokenizer, encoding, size, runs)


main()
