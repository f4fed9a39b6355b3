"""`ostinato run`: one task; its activity goes to stderr, and only the final answer to stdout."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from ostinato.agent.activity import Activity, printable
from ostinato.agent.agent import Agent
from ostinato.agent.budget import Budget, Spent
from ostinato.agent.effort import BY_EFFORT, Effort
from ostinato.agent.events import Event, Finished, Reason
from ostinato.agent.exit_codes import CommandError, ExitCode
from ostinato.agent.loading import LoadingBar
from ostinato.agent.models import Model, load_model
from ostinato.agent.settings import Settings
from ostinato.agent.trajectory import Trajectory
from ostinato.engine.interface import Sampling
from ostinato.sandbox import Limits, open_sandbox
from ostinato.sandbox.choose import Kind
from ostinato.tools import PythonTool

GOODBYE_SECONDS = 0.5  # an interrupted run is gone within a second, however long its sandbox takes to close
ANSWER_NOW: signal.Signals | None = getattr(signal, "SIGUSR1", None)  # Windows has none
_SPENT = {
    Spent.TURNS: (ExitCode.TURN_LIMIT, "--max-turns"),
    Spent.TOKENS: (ExitCode.TOKEN_BUDGET, "--max-tokens"),
    Spent.SECONDS: (ExitCode.TIME_BUDGET, "--max-seconds"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What `ostinato run` was asked for.

    `sandbox` None is no python tool; `expert_memory` None gives experts the bytes there are; `temperature` None is that
    of the model; `analysis_limit` None is no limit, BY_EFFORT that of the effort; `trajectory` None is a new file in
    the data folder.
    """

    task: str
    model: str
    effort: Effort
    sandbox: Kind | None
    budget: Budget
    expert_memory: int | None = None
    temperature: float | None = None
    seed: int | None = None
    is_constrained: bool = True
    analysis_limit: int | Literal["effort"] | None = BY_EFFORT
    is_quiet: bool = False
    trajectory: Path | None = None


def run_task(options: TaskOptions, settings: Settings) -> int:
    """Run one task and return the exit code.

    Raises:
        CommandError, EngineError, HarmonyError, SandboxError: with one line for the user.
    """
    if ANSWER_NOW is not None:
        signal.signal(ANSWER_NOW, lambda number, frame: None)  # by itself it would end a process that still loads
    console = _Stderr(stderr=True, quiet=options.is_quiet, no_color=settings.no_color or None, highlight=False)
    activity = Activity(console)
    finished = asyncio.run(_until_signalled(_run(options, settings, activity)))
    return _report(finished)


class _Stderr(Console):
    """A console whose reader may go away: the run goes on, unseen."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


async def _until_signalled(work: Coroutine[None, None, Finished]) -> Finished:
    """Await `work`; SIGINT and SIGTERM cancel it and end the process."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def interrupt(number: int, frame: object) -> None:
        """Leave in time even if the loop is blocked, as by a terminal that nobody scrolls on."""
        threading.Thread(target=_leave_later, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)  # also wakes a loop that is just about to sleep
        signal.signal(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        os._exit(ExitCode.INTERRUPTED)  # the orderly way waits for threads, and one may be in a long computation


def _leave_later() -> None:
    time.sleep(GOODBYE_SECONDS)
    os._exit(ExitCode.INTERRUPTED)


async def _run(options: TaskOptions, settings: Settings, activity: Activity) -> Finished:
    async with AsyncExitStack() as stack:
        model, tools = await _prepare(options, activity, stack)
        trajectory = _open_trajectory(options, settings, activity)
        if trajectory:
            stack.enter_context(trajectory)
        agent = Agent(
            model,
            tools=tools,
            effort=options.effort,
            budget=options.budget,
            sampling=_sampling(model, options),
            trajectory=trajectory,
            is_constrained=options.is_constrained,
            analysis_limit=options.analysis_limit,
        )
        for notice in agent.grammar.notices if agent.grammar else ():
            activity.note(notice)
        if ANSWER_NOW is not None:
            asyncio.get_running_loop().add_signal_handler(ANSWER_NOW, _answer_now, agent, activity)
        return await _watch(agent, options.task, activity)


async def _prepare(options: TaskOptions, activity: Activity, stack: AsyncExitStack) -> tuple[Model, list[PythonTool]]:
    """Load the model while the sandbox starts; `stack` closes what was opened."""
    tools: list[PythonTool] = []
    try:
        with LoadingBar(activity.console) as bar:
            async with asyncio.TaskGroup() as group:
                loading = group.create_task(asyncio.to_thread(_load, options, bar, activity))
                if options.sandbox is not None:
                    sandbox = open_sandbox(options.sandbox, limits=Limits(), on_notice=activity.note)
                    stack.push_async_callback(sandbox.close)
                    group.create_task(sandbox.start())
                    tools.append(PythonTool(sandbox))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    where = f"Python in {tools[0].sandbox.kind}" if tools else "no Python"
    activity.note(f"{options.model} · effort {options.effort} · {where}")
    if loading.result().notice:
        activity.note(loading.result().notice)
    return loading.result(), tools


def _load(options: TaskOptions, bar: LoadingBar, activity: Activity) -> Model:
    try:
        return load_model(options.model, expert_memory=options.expert_memory, progress=bar, on_notice=activity.note)
    except FileNotFoundError as error:
        raise CommandError(str(error), code=ExitCode.USAGE) from error


def _open_trajectory(options: TaskOptions, settings: Settings, activity: Activity) -> Trajectory | None:
    """Open the file that was asked for, or one in the data folder; only the former may fail the run."""
    if options.trajectory is None:
        try:
            return Trajectory.create_in(settings.trajectories)
        except OSError as error:
            activity.note(f"this run is not recorded: {error}; set OSTINATO_HOME to a folder that can be written")
            return None
    try:
        return Trajectory.create(options.trajectory)
    except FileExistsError as error:
        message = f"there is already a trajectory {str(options.trajectory)!r}; name a new file"
        raise CommandError(message, code=ExitCode.USAGE) from error
    except OSError as error:
        message = f"cannot write the trajectory: {error}; name another file"
        raise CommandError(message, code=ExitCode.USAGE) from error


def _sampling(model: Model, options: TaskOptions) -> Sampling:
    temperature = model.sampling.temperature if options.temperature is None else options.temperature
    return replace(model.sampling, temperature=temperature, seed=options.seed)


def _answer_now(agent: Agent, activity: Activity) -> None:
    """Tell a run to answer, and its user that it was told."""
    if agent.grammar is None:
        activity.note("without the grammar nothing ends reasoning; leave out --no-grammar")
    elif agent.answer_now():
        activity.note("told to answer now")


async def _watch(agent: Agent, task: str, activity: Activity) -> Finished:
    """Run the agent to its end and show what it does."""
    last: Event | None = None
    async with aclosing(agent.stream(task)) as events:
        async for last in events:
            activity.show(last)
    assert isinstance(last, Finished)
    if agent.trajectory:
        activity.note(f"trajectory: {agent.trajectory.path}")
    return last


def _report(finished: Finished) -> int:
    """Write the answer, or why there is none."""
    if finished.reason == Reason.ANSWERED:
        return _write_answer(finished.text)
    code, advice = ExitCode.FAILED, ""
    if finished.spent:
        code, flag = _SPENT[finished.spent]
        advice = f"; raise {flag}"
    sys.stderr.write(f"ostinato: no answer ({finished.reason}): {finished.detail}{advice}\n")
    return code


def _write_answer(text: str) -> int:
    """Write the answer to stdout; a reader that has gone away is no reason for a traceback."""
    try:
        sys.stdout.write((printable(text) if sys.stdout.isatty() else text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the exit flushes into the pipe again
        return ExitCode.FAILED
    return ExitCode.ANSWERED
