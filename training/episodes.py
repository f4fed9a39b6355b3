"""Episodes: whole conversations in harmony, whose code was really run while they were made."""

import contextlib
import datetime
import io
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ostinato.harmony import Channel, DeveloperContent, Message, ReasoningEffort, SystemContent, ToolNamespace
from ostinato.sandbox.interface import Limits, Outcome
from ostinato.sandbox.worker import run_cell
from ostinato.tools.python import DESCRIPTION, outcome_text
from ostinato.training.kinds import PYTHON_KINDS, Kind
from ostinato.training.kinds.talk import TALK
from ostinato.training.phrasing import Split, ask, fill
from ostinato.training.values import Values, is_for_test

AFTERWARDS = "The output answers the question."
TALK_SHARE = 0.05
TOOLLESS_SHARE = 0.15  # of the talk: without the python tool
INSTRUCTIONS_SHARE = 0.04
INSTRUCTIONS = (
    "Be brief.", "Answer in one sentence.", "You are a helpful assistant.", "Be precise and polite.", "Use the tools.",
    "Always check your work.", "The user is a student.", "Answer in plain words.",
)  # fmt: skip
PYTHON = ToolNamespace(name="python", description=DESCRIPTION.format(seconds=Limits().seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A conversation and what its final answer must contain."""

    kind: str
    topic: str
    question: str
    expected: str
    effort: ReasoningEffort
    today: datetime.date
    messages: tuple[Message, ...]


def episodes(rng: random.Random, split: Split) -> Iterator[Episode]:
    """Make episodes of every kind without end."""
    weights = [kind.weight for kind in PYTHON_KINDS]
    while True:
        if rng.random() < TALK_SHARE:
            yield talk_episode(rng, split)
        else:
            yield python_episode(rng.choices(PYTHON_KINDS, weights)[0], rng, split)


def python_episode(kind: Kind, rng: random.Random, split: Split) -> Episode:
    """Make a question of one kind, run its code, and write the conversation that a perfect model would have.

    Small numbers occur in every split, so the question as a whole is split too: no test question is in the training.
    """
    while True:
        today = _today(rng)
        slots = {**kind.values(Values(rng, split)), "today": f"date({today.year}, {today.month}, {today.day})"}
        code = fill(kind.code, slots)
        if is_for_test(f"{kind.name} {code}") != split.new_values:
            continue
        output = run(code)
        if _is_presentable(output):
            break
    question = ask(kind.phrases, slots, rng, split)
    slots |= _spoken(output)
    answer = fill(kind.answer, slots)
    effort = rng.choice(list(ReasoningEffort))
    called = [
        Message.assistant(fill(plan(kind, effort), slots), channel=Channel.ANALYSIS),
        Message.assistant(code, channel=Channel.ANALYSIS, recipient="python", content_type="code"),
        Message.tool(output, name="python", channel=Channel.ANALYSIS),
    ]
    if effort is ReasoningEffort.HIGH:
        called.append(Message.assistant(AFTERWARDS, channel=Channel.ANALYSIS))
    return Episode(
        kind=kind.name,
        topic=kind.topic,
        question=question,
        expected=slots["yes"] if "{yes}" in kind.answer else slots["outs"] if "{outs}" in kind.answer else output,
        effort=effort,
        today=today,
        messages=(
            *_opening(rng, effort, today),
            Message.user(question),
            *called,
            Message.assistant(answer, channel=Channel.FINAL),
        ),
    )


def talk_episode(rng: random.Random, split: Split) -> Episode:
    """Make a conversation in which no tool is called."""
    talk = rng.choice(TALK) if rng.random() < 0.5 else TALK[-1]
    question = ask(talk.phrases, {}, rng, split)
    effort = rng.choice(list(ReasoningEffort))
    thought = {
        ReasoningEffort.LOW: "No tool.",
        ReasoningEffort.MEDIUM: f"{talk.thought}. No tool is needed.",
        ReasoningEffort.HIGH: f"The user says something that needs no code. {talk.thought}. No tool is needed.",
    }[effort]
    today = _today(rng)
    return Episode(
        kind=talk.name,
        topic="talk",
        question=question,
        expected=talk.answer,
        effort=effort,
        today=today,
        messages=(
            *_opening(rng, effort, today, has_python=rng.random() > TOOLLESS_SHARE),
            Message.user(question),
            Message.assistant(thought, channel=Channel.ANALYSIS),
            Message.assistant(talk.answer, channel=Channel.FINAL),
        ),
    )


def run(code: str) -> str:
    """Run code that this generator wrote, here and now, and return what the python tool would say of it."""
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        result, error = run_cell(code, {}, 1)
    if error is not None:
        raise AssertionError(f"the generator wrote code that fails: {code}\n{error}")
    return outcome_text(Outcome(stdout=stdout.getvalue(), result=result))


def _is_presentable(output: str) -> bool:
    return len(output) <= 90 and "e+" not in output and "e-" not in output and not output.startswith("[WARN]")


def _spoken(output: str) -> Mapping[str, str]:
    yes = "Yes." if output == "True" else "No."
    return {"out": output, "outs": " and ".join(output.splitlines()), "yes": yes}


def plan(kind: Kind, effort: ReasoningEffort) -> str:
    """Return what the model thinks before it calls, longer with more effort, with slots for the values."""
    match effort:
        case ReasoningEffort.LOW:
            return "Use python."
        case ReasoningEffort.MEDIUM:
            return f"{kind.thought}. Use python."
        case ReasoningEffort.HIGH:
            return (
                f"The user asks for {kind.goal}. {kind.thought}. Guessing is not safe, so I write code for it, "
                "run it with python and read the output."
            )


def _today(rng: random.Random) -> datetime.date:
    return datetime.date(2024, 1, 1) + datetime.timedelta(days=rng.randrange(5 * 365))


def _opening(
    rng: random.Random, effort: ReasoningEffort, today: datetime.date, *, has_python: bool = True
) -> list[Message]:
    tools = (PYTHON,) if has_python else ()
    system = SystemContent(current_date=today.isoformat(), reasoning_effort=effort, tools=tools)
    opening = [Message.system(system)]
    if rng.random() < INSTRUCTIONS_SHARE:
        opening.append(Message.developer(DeveloperContent(instructions=rng.choice(INSTRUCTIONS))))
    return opening
