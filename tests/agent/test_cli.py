"""The command line as its users meet it: real processes, what is on which stream, and the exit code."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ostinato.agent.trajectory import read_trajectory

Start = Callable[..., "subprocess.Popen[bytes]"]
Model = Callable[..., str]

ANSWER = "<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>It is 5.<|return|>"
CALL = "<|channel|>commentary to=nobody<|message|>{}<|call|>"
SECONDS = 60  # a process that hangs is a failure


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def run(start: Start) -> Callable[..., Ended]:
    def to_the_end(*arguments: str, given: bytes | None = None, **settings: object) -> Ended:
        process = start(*arguments, **settings)
        if given is None:
            process.wait(timeout=SECONDS)  # stdin stays open, and nothing is written to it
            out, err = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]
        else:
            out, err = process.communicate(given, timeout=SECONDS)
        return Ended(code=process.returncode, out=out.decode(), err=err.decode())

    return to_the_end


Run = Callable[..., Ended]


def test_only_the_answer_goes_to_stdout_and_activity_to_stderr(run: Run, model: Model) -> None:
    ended = run("run", "2 + 3?", "--no-python", "--model", model(CALL, ANSWER))

    assert (ended.code, ended.out) == (0, "It is 5.\n")
    for shown in ("Easy.", "nobody", "error: no tool named 'nobody'", "answered · 2 turns", "trajectory: "):
        assert shown in ended.err


def test_python_runs_in_the_sandbox_that_is_named(run: Run, model: Model, kind: str) -> None:
    compute = "<|channel|>analysis to=python code<|message|>x = 48271\nprint('on', 'stdout')\nx * 9931<|call|>"
    answer = "<|channel|>final<|message|>479379301<|return|>"

    ended = run("run", "48271 * 9931?", "--sandbox", kind, "--model", model(compute, answer))

    assert (ended.code, ended.out) == (0, "479379301\n")
    assert f"Python in {kind}" in ended.err
    assert "x * 9931" in ended.err
    assert "on stdout" in ended.err


def test_quiet_shows_no_activity(run: Run, model: Model) -> None:
    ended = run("run", "2 + 3?", "--no-python", "--quiet", "--model", model(ANSWER))

    assert (ended.code, ended.out, ended.err) == (0, "It is 5.\n", "")


@pytest.mark.parametrize(
    ("flags", "is_closed"),
    [
        (["--max-analysis", "2"], True),
        (["--max-analysis", "off"], False),
    ],
)
def test_reasoning_is_limited_as_the_flags_say(run: Run, model: Model, flags: list[str], is_closed: bool) -> None:
    ended = run("run", "x", "--no-python", *flags, "--model", model(ANSWER))

    assert (ended.code, ended.out) == (0, "It is 5.\n")
    assert ("reasoning closed after 2 tokens: limit" in ended.err) == is_closed


def test_a_run_without_the_grammar_and_so_without_a_limit_is_recorded_as_such(
    run: Run, model: Model, tmp_path: Path
) -> None:
    record = tmp_path / "run.jsonl"

    ended = run("run", "x", "--no-python", "--no-grammar", "--trajectory", str(record), "--model", model(ANSWER))

    assert (ended.code, ended.out) == (0, "It is 5.\n")
    begin = read_trajectory(record).records[0]
    assert (begin["is_constrained"], begin["analysis_limit"]) == (False, None)


def test_a_pipe_gets_no_colours_and_no_control_characters_of_the_model(run: Run, model: Model) -> None:
    evil = "<|channel|>analysis<|message|>\x1b]0;owned\x07\x1b[2J<|end|><|start|>assistant"

    ended = run("run", "x", "--no-python", "--model", model(evil + ANSWER))

    assert "\x1b" not in ended.err
    assert "␛]0;owned␇" in ended.err


def test_the_task_is_read_from_stdin_only_when_it_is_a_dash(
    run: Run, model: Model, environment: dict[str, str]
) -> None:
    ended = run("run", "-", "--no-python", "--model", model(ANSWER), given="Was ist 2 + 3, größer?".encode())

    (path,) = (Path(environment["OSTINATO_HOME"]) / "trajectories").iterdir()
    assert ended.code == 0
    assert [message.text for message in read_trajectory(path).messages][1] == "Was ist 2 + 3, größer?"


def test_the_trajectory_goes_where_it_is_asked_to(run: Run, model: Model, tmp_path: Path) -> None:
    path = tmp_path / "here.jsonl"

    ended = run("run", "x", "--no-python", "--seed", "7", "--model", model(ANSWER), "--trajectory", str(path))

    recording = read_trajectory(path)
    assert ended.code == 0
    assert recording.reason == "answered"
    assert recording.records[0]["sampling"]["seed"] == 7
    assert run("run", "x", "--no-python", "--model", f"replay:{path}").out == "It is 5.\n"


def test_a_home_that_cannot_be_written_does_not_stop_a_run(run: Run, model: Model, environment: dict[str, str]) -> None:
    Path(environment["OSTINATO_HOME"]).write_text("a file")

    ended = run("run", "x", "--no-python", "--model", model(ANSWER))

    assert (ended.code, ended.out) == (0, "It is 5.\n")
    assert "this run is not recorded" in ended.err


@pytest.mark.parametrize(
    ("turns", "flags", "code", "line"),
    [
        (
            (CALL, CALL),
            ["--max-turns", "1"],
            53,
            "no answer (budget): the budget of turns (1) is spent; raise --max-turns",
        ),
        (
            (ANSWER,),
            ["--max-tokens", "2"],
            54,
            "no answer (budget): the budget of tokens (2) is spent; raise --max-tokens",
        ),
        ((CALL, CALL, CALL), [], 1, "no answer (stuck): the same call brought the same result 3 times"),
        (("<|channel|>final<|message|>half",), [], 1, "no answer (cut): the model came to its token limit"),
        (("<|return|>", "<|return|>"), [], 1, "no answer (error): the model gave no answer"),
        ((), [], 1, "the script has 0 turns"),
    ],
    ids=["turns", "tokens", "stuck", "cut", "silent", "engine"],
)
def test_without_an_answer_the_exit_code_and_one_line_say_why(
    run: Run, model: Model, turns: tuple[str, ...], flags: list[str], code: int, line: str
) -> None:
    ended = run("run", "x", "--no-python", "--quiet", "--model", model(*turns), *flags)

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("ostinato: ")
    assert line in ended.err
    assert ended.err.count("\n") == 1


def test_a_run_out_of_time_exits_with_55(run: Run, model: Model) -> None:
    endless = model("<|channel|>analysis<|message|>" + " hm" * 100_000)

    ended = run("run", "x", "--no-python", "--quiet", "--model", endless, "--max-seconds", "0.2")

    assert ended.code == 55
    assert "the budget of seconds (0.2) is spent; raise --max-seconds" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["run"], 2, "the following arguments are required: task; see 'ostinato run --help'"),
        (["run", "x", "--effort", "huge"], 2, "invalid choice: 'huge' (choose from 'none', 'low', 'medium', 'high')"),
        (["run", "x", "--sandbox", "none"], 2, "invalid choice: 'none' (choose from"),
        (["run", "x", "--max-turns", "0"], 2, "argument --max-turns: '0' is not a whole number above 0"),
        (["run", "x", "--max-turns", "1.5"], 2, "argument --max-turns: '1.5' is not a whole number above 0"),
        (["run", "x", "--max-seconds", "nan"], 2, "argument --max-seconds: 'nan' is not a number above 0"),
        (
            ["run", "x", "--max-analysis", "some"],
            2,
            "argument --max-analysis: 'some' is neither a whole number nor off",
        ),
        (["run", "x", "--seed", "-7"], 2, "argument --seed: '-7' is not a whole number from 0 to 2^63 - 1"),
        (["run", "x", "--temperature", "-1"], 2, "argument --temperature: '-1' is not a number from 0 to 10"),
        (["run", "x", "--tempature", "1"], 2, "unrecognized arguments: --tempature 1; see 'ostinato run --help'"),
        (["run", "x", "--max-turn", "1"], 2, "unrecognized arguments: --max-turn 1"),
        (["fly"], 2, "invalid choice: 'fly' (choose from"),
        (["run", " \n"], 42, "the task is empty; say what to do"),
        (["run", "-"], 42, "the task is empty; say what to do"),
        (
            ["run", "x", "--model", "gpt-9"],
            2,
            "no model named 'gpt-9'; there is nano, or give the folder of a checkpoint",
        ),
        (["run", "x", "--no-python", "--model", "replay:/none"], 2, "there is no recorded run '/none'"),
        (["run", "x", "--no-python", "--model", "replay:/"], 1, "cannot read the recorded run '/': Is a directory"),
        (
            ["run", "x", "--no-grammar", "--max-analysis", "2"],
            2,
            "only the grammar limits reasoning; leave out --no-gr",
        ),
        (["run", "x", "--no-grammar", "--effort", "none"], 2, "only the grammar limits reasoning; leave out --no-gr"),
        (["run", "x", "--no-python", "--model", "."], 1, "config.json"),
    ],
)
def test_a_mistake_is_told_in_one_line(run: Run, tmp_path: Path, arguments: list[str], code: int, line: str) -> None:
    ended = run(*arguments, given=b"", cwd=tmp_path)

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("ostinato: ")
    assert line in ended.err
    assert ended.err.count("\n") == 1


def test_a_task_that_is_not_text_is_told_in_one_line(run: Run) -> None:
    ended = run("run", "-", given=b"caf\xe9")

    assert ended.code == 42
    assert ended.err.startswith("ostinato: the task is not UTF-8 text")


def test_a_trajectory_is_not_overwritten(run: Run, model: Model, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("precious")

    ended = run("run", "x", "--no-python", "--quiet", "--model", model(ANSWER), "--trajectory", str(path))

    assert ended.code == 2
    assert "there is already a trajectory" in ended.err
    assert path.read_text() == "precious"


def test_an_unreachable_docker_engine_is_told_in_one_line(run: Run, model: Model, environment: dict[str, str]) -> None:
    environment["DOCKER_HOST"] = "tcp://127.0.0.1:1"

    ended = run("run", "x", "--quiet", "--sandbox", "docker", "--model", model(ANSWER))

    assert (ended.code, ended.out) == (1, "")
    assert "no Docker engine answers" in ended.err
    assert ended.err.count("\n") == 1
    assert "no Docker engine answers" in run("sandbox", "build").err


def test_settings_come_from_the_environment(run: Run, model: Model, environment: dict[str, str]) -> None:
    environment |= {"OSTINATO_MODEL": model(ANSWER), "OSTINATO_SANDBOX": "nowhere"}

    assert run("run", "x", "--no-python").out == "It is 5.\n"
    assert "no sandbox named 'nowhere'; there is auto, docker, bubblewrap" in run("run", "x").err


def test_a_reader_of_stdout_that_went_away_causes_no_traceback(start: Start, model: Model, nobody: int) -> None:
    process = start("run", "x", "--no-python", "--quiet", "--model", model(ANSWER), stdout=nobody)

    _, err = process.communicate(timeout=SECONDS)

    assert (process.returncode, err) == (1, b"")


def test_a_reader_of_stderr_that_went_away_does_not_stop_the_run(start: Start, model: Model, nobody: int) -> None:
    process = start("run", "x", "--no-python", "--model", model(ANSWER), stderr=nobody)

    out, _ = process.communicate(timeout=SECONDS)

    assert (process.returncode, out) == (0, b"It is 5.\n")


@pytest.mark.parametrize(("closed", "out"), [("<&- 2>&-", b"It is 5.\n"), (">&-", b"")])
def test_a_closed_stream_causes_no_traceback(
    environment: dict[str, str], model: Model, tmp_path: Path, closed: str, out: bytes
) -> None:
    path = tmp_path / "run.jsonl"
    words = [sys.executable, "-m", "ostinato", "run", "x", "--no-python", "--model", model(ANSWER)]
    line = f"{shlex.join([*words, '--trajectory', str(path)])} {closed}"

    ended = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, timeout=SECONDS, check=False)

    assert (ended.returncode, ended.stdout) == (0, out)
    assert b"Traceback" not in ended.stderr
    assert read_trajectory(path).reason == "answered"


def test_an_answer_that_the_terminal_cannot_encode_is_printed_as_far_as_it_can(
    run: Run, model: Model, environment: dict[str, str]
) -> None:
    environment["PYTHONIOENCODING"] = "ascii"

    ended = run("run", "x", "--no-python", "--model", model("<|channel|>final<|message|>21 °C → fine<|return|>"))

    assert (ended.code, ended.out) == (0, "21 ?C ? fine\n")


@pytest.fixture
def nobody() -> Iterator[int]:
    """A pipe that is no longer read."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def test_help_and_version_say_what_they_should(run: Run) -> None:
    assert run("--version").out.startswith("ostinato 0.")
    assert "exit codes:" in run("run", "--help").out
    assert "COMMAND" in run().out
    assert "build" in run("sandbox", "--help").out


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["pull", "--help"], ["engine", "bench", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str], environment: dict[str, str]) -> None:
    program = (
        "import sys\n"
        "from ostinato.agent.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'rich', 'docker', 'tiktoken', 'griffe', 'httpx', 'requests'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules))))\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, check=True, timeout=SECONDS
    )

    assert ended.stderr == b""
