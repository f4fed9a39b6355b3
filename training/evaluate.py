"""Measure how often the embedded model is right: `python -m ostinato.training.evaluate`.

Each question goes through the real agent loop, and the model's code is really run in a sandbox. An answer counts if it
contains what the generator's own code printed, whatever way the model took to it.
"""

import argparse
import asyncio
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ostinato.agent.agent import Agent
from ostinato.agent.budget import Budget
from ostinato.agent.models import Model, load_model
from ostinato.harmony import Channel, Message
from ostinato.sandbox import Sandbox, open_sandbox
from ostinato.tools import PythonTool
from ostinato.training.episodes import TALK_SHARE, Episode, episodes
from ostinato.training.phrasing import Split

MOST_TOKENS = 600
MOST_TURNS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one question."""

    split: str
    topic: str
    kind: str
    effort: str
    question: str
    expected: str
    answer: str
    is_right: bool
    repairs: int
    analysis_tokens: int


def main() -> None:
    """Read the command line, evaluate, and show a table."""
    parser = argparse.ArgumentParser(prog="python -m ostinato.training.evaluate", description=__doc__)
    parser.add_argument("--model", default="nano", help="nano, or the folder of an exported model")
    parser.add_argument("--episodes", type=int, default=300, help="python questions of each split")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--sandbox", choices=("auto", "docker", "bubblewrap"), default="auto")
    parser.add_argument("--no-grammar", dest="grammar", action="store_false", help="let the model write what it likes")
    parser.add_argument("--json", type=Path, help="write every verdict to this file, as JSON lines")
    arguments = parser.parse_args()
    verdicts = asyncio.run(evaluate(arguments))
    if arguments.json:
        arguments.json.write_text("".join(json.dumps(asdict(verdict)) + "\n" for verdict in verdicts))
    console = Console()
    for verdict in verdicts:
        if not verdict.is_right:
            line = f"{verdict.split}, {verdict.kind}: {verdict.question!r} → {verdict.answer!r}"
            console.print(line, markup=False, highlight=False)
    console.print(summary(verdicts, "topic"))
    console.print(summary(verdicts, "effort"))


async def evaluate(arguments: argparse.Namespace) -> list[Verdict]:
    """Ask every question."""
    model = load_model(arguments.model)
    sandbox = open_sandbox(arguments.sandbox, on_notice=lambda line: print(line, file=sys.stderr))  # noqa: T201
    try:
        return [
            await ask(model, sandbox, episode, split, is_constrained=arguments.grammar)
            for split in (Split.VALUES, Split.PHRASINGS)
            for episode in held_out_questions(split, arguments.episodes, arguments.seed)
        ]
    finally:
        await sandbox.close()


def held_out_questions(split: Split, python_questions: int, seed: int) -> Iterator[Episode]:
    """Draw python questions, and a tenth as many that need no tool.

    These have no values: with `Split.VALUES` they are worded as in training, and many occur there as they are.
    """
    left = {True: python_questions, False: round(python_questions * TALK_SHARE * 2)}
    for episode in episodes(random.Random(f"{seed} {split}"), split):
        is_python = episode.topic != "talk"
        if left[is_python]:
            left[is_python] -= 1
            yield episode
        if not any(left.values()):
            return


async def ask(
    model: Model, sandbox: Sandbox, episode: Episode, split: Split, *, is_constrained: bool = True
) -> Verdict:
    """Ask one question in a conversation of its own."""
    agent = Agent(
        model,
        tools=[PythonTool(sandbox)],
        effort=episode.effort,
        budget=Budget(turns=MOST_TURNS, tokens=MOST_TOKENS),
        current_date=episode.today,
        is_constrained=is_constrained,
    )
    result = await agent.run(episode.question)
    return Verdict(
        split=split,
        topic=episode.topic,
        kind=episode.kind,
        effort=episode.effort,
        question=episode.question,
        expected=episode.expected,
        answer=result.text,
        is_right=contains(result.text, episode.expected),
        repairs=len(result.repairs),
        analysis_tokens=sum(_thought(model, message) for message in result.messages),
    )


def contains(answer: str, expected: str) -> bool:
    """Whether `expected` stands in `answer`, not as a part of a longer word or number."""
    return re.search(rf"(?<![\w.-]){re.escape(expected)}(?!\w|\.\d)", answer) is not None


def _thought(model: Model, message: Message) -> int:
    if message.channel != Channel.ANALYSIS or message.recipient is not None:
        return 0
    return len(model.tokenizer.encode(message.text))


def summary(verdicts: list[Verdict], by: str) -> Table:
    """Show how many were right, by split and by one other property."""
    groups = Counter((verdict.split, getattr(verdict, by)) for verdict in verdicts)
    table = Table("split", by, "questions", "right", "share", "95 % interval", "thinking (tokens)")
    for split, group in sorted([*groups, *((split, "python, all") for split in Split if split.new_values)]):
        chosen = [
            verdict
            for verdict in verdicts
            if verdict.split == split
            and (verdict.topic != "talk" if group == "python, all" else getattr(verdict, by) == group)
        ]
        right = sum(verdict.is_right for verdict in chosen)
        low, high = wilson(right, len(chosen))
        thinking = sum(verdict.analysis_tokens for verdict in chosen) / max(len(chosen), 1)
        table.add_row(
            split, group, str(len(chosen)), str(right), f"{right / max(len(chosen), 1):.1%}",
            f"{low:.1%} to {high:.1%}", f"{thinking:.0f}",
        )  # fmt: skip
    return table


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a share (doi 10.1080/01621459.1927.10502953)."""
    if count == 0:
        return 0.0, 1.0
    share = right / count
    middle = share + z * z / (2 * count)
    spread = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return (middle - spread) / (1 + z * z / count), (middle + spread) / (1 + z * z / count)


if __name__ == "__main__":
    main()
