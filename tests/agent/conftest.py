"""Recorded runs as models for the command line, and the command line as a process."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ostinato
from ostinato.agent.agent import Agent
from ostinato.agent.scripted import harmony_ids
from ostinato.agent.trajectory import FORMAT, Trajectory
from ostinato.harmony import render
from ostinato.sandbox import SandboxUnavailable
from ostinato.sandbox.docker import connect
from ostinato.tools import is_call

Command = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., str]:
    """Make the name of a model that says these turns."""

    def name(*turns: str) -> str:
        path = tmp_path / f"model-{len(list(tmp_path.iterdir()))}.jsonl"
        with Trajectory.create(path) as trajectory:
            trajectory.write("run", format=FORMAT, vocabulary="o200k_harmony")
            for turn in turns:
                trajectory.write("turn", ids=harmony_ids(turn))
        return f"replay:{path}"

    return name


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user with an empty home, in which `ostinato` can be imported."""
    keep = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "LANG") if name in os.environ}
    package = str(Path(ostinato.__file__).parents[1])
    return keep | {"HOME": str(tmp_path), "OSTINATO_HOME": str(tmp_path / "home"), "PYTHONPATH": package}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Command]:
    """Start `ostinato` with these arguments; standard input is a pipe that stays open. None outlives its test."""
    processes = []

    def command(*arguments: str, **settings: object) -> "subprocess.Popen[bytes]":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        words = [sys.executable, "-m", "ostinato", *arguments]
        process = subprocess.Popen(words, **{"env": environment, **pipes, **settings})  # type: ignore[call-overload]
        processes.append(process)
        return process  # type: ignore[no-any-return]

    yield command
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()


@pytest.fixture
def can_go_on() -> Callable[[Agent], bool]:
    """Say whether every call has a reply and the conversation renders."""

    def check(agent: Agent) -> bool:
        calls = [message for message in agent.conversation if is_call(message)]
        replies = [message for message in agent.conversation if message.author.role == "tool"]
        return len(calls) == len(replies) and bool(render(agent.conversation, agent.tokenizer))

    return check


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "bubblewrap"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        try:
            connect().close()
        except SandboxUnavailable as reason:
            pytest.skip(str(reason))
    return str(request.param)
