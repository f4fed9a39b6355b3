"""The command line: from words to objects. Nothing heavy is imported before a command needs it."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NoReturn, get_args

from ostinato import __version__
from ostinato.agent.effort import BY_EFFORT, Effort, asks_for_limit
from ostinato.agent.exit_codes import CommandError, ExitCode
from ostinato.agent.settings import Settings
from ostinato.engine.interface import EngineError
from ostinato.harmony import HarmonyError
from ostinato.sandbox import SandboxError
from ostinato.sandbox.choose import Kind

EFFORTS = tuple(effort.value for effort in Effort)
SANDBOXES: tuple[Kind, ...] = get_args(Kind)
EXPECTED = (EngineError, HarmonyError, SandboxError, OSError)  # their messages are for the user; others are defects
EXIT_CODES = """\
exit codes:
  0 answered   1 failed, cut or stuck   2 wrong usage   42 bad input
  53 turn limit   54 token budget   55 time budget   130 interrupted

The signal USR1 ends the reasoning: the model answers with what it has.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    _prepare_streams()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)  # until a command has something to close
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return ExitCode.ANSWERED
    try:
        return int(options.command(options))
    except CommandError as error:
        return _complain(str(error), error.code)
    except EXPECTED as error:
        return _complain(str(error), ExitCode.FAILED)


def _run(options: argparse.Namespace) -> int:
    """`ostinato run`."""
    task = _task(options.task)
    settings = Settings.from_environment()
    effort = Effort(options.effort)
    if not options.grammar and asks_for_limit(options.max_analysis, effort):
        raise CommandError("only the grammar limits reasoning; leave out --no-grammar", code=ExitCode.USAGE)
    sandbox = None if options.no_python else _chosen_sandbox(options.sandbox or settings.sandbox)

    from ostinato.agent.budget import Budget
    from ostinato.agent.run_task import TaskOptions, run_task

    return run_task(
        TaskOptions(
            task=task,
            model=options.model or settings.model,
            effort=effort,
            sandbox=sandbox,
            budget=Budget(turns=options.max_turns, tokens=options.max_tokens, seconds=options.max_seconds),
            expert_memory=options.expert_memory,
            temperature=options.temperature,
            seed=options.seed,
            is_constrained=options.grammar,
            analysis_limit=options.max_analysis,
            is_quiet=options.quiet,
            trajectory=options.trajectory,
        ),
        settings,
    )


def _pull(options: argparse.Namespace) -> int:
    """`ostinato pull`."""
    settings = Settings.from_environment()

    from ostinato.agent.pull_command import pull_model

    return pull_model(options.model, settings, revision=options.revision, folder=options.to)


def _engine_info(options: argparse.Namespace) -> int:
    """`ostinato engine info`."""
    settings = Settings.from_environment()

    from ostinato.agent.engine_info import show_info

    return show_info(options.model or settings.model, settings, is_json=options.json)


def _engine_check(options: argparse.Namespace) -> int:
    """`ostinato engine check`."""
    settings = Settings.from_environment()

    from ostinato.agent.engine_check import check
    from ostinato.engine.kernels.library import best_library

    return check(options.model or settings.model, settings, library=best_library(), has_kernels=options.kernels)


def _engine_bench(options: argparse.Namespace) -> int:
    """`ostinato engine bench`."""
    settings = Settings.from_environment()

    from ostinato.agent.engine_bench import BenchOptions, bench

    return bench(
        BenchOptions(
            model=options.model or settings.model,
            threads=options.threads,
            tokens=options.tokens,
            prompt=options.prompt,
            sequences=options.sequences,
            is_json=options.json,
        ),
        settings,
    )


def _build_sandbox(options: argparse.Namespace) -> int:
    """`ostinato sandbox build`."""
    from ostinato.sandbox.build import build_image
    from ostinato.sandbox.docker import connect

    tag = build_image(connect(), packages=options.packages, on_notice=_tell)
    sys.stdout.write(f"{tag}\n")
    return ExitCode.ANSWERED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ostinato", description="Agents on gpt-oss models, with a sandboxed Python.")
    parser.add_argument("--version", action="version", version=f"ostinato {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_run(commands)
    _add_pull(commands)
    _add_engine(commands)
    _add_sandbox(commands)
    return parser


def _add_run(commands: "argparse._SubParsersAction[_Parser]") -> None:
    run = commands.add_parser(
        "run",
        help="do one task: activity on stderr, the answer on stdout",
        description="Do one task. Activity goes to stderr, only the final answer to stdout.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("task", help="what to do; - reads it from stdin")
    run.add_argument("--model", metavar="NAME", help="nano (embedded; default), a checkpoint's folder, or replay:FILE")
    run.add_argument(
        "--effort",
        choices=EFFORTS,
        default="medium",
        help="how long to reason (default: medium); nano needs low or more",
    )
    run.add_argument("--sandbox", choices=SANDBOXES, help="where Python runs (default: auto)")
    run.add_argument("--no-python", action="store_true", help="give the model no Python")
    run.add_argument("--max-turns", type=_COUNT, default=50, metavar="N", help="generations (default: 50)")
    run.add_argument("--max-tokens", type=_COUNT, metavar="N", help="sampled tokens (default: no limit)")
    run.add_argument(
        "--expert-memory",
        type=_GIGABYTES,
        metavar="GB",
        help="memory for the experts, the others are read when they are asked (default: what there is)",
    )
    run.add_argument("--max-seconds", type=_SECONDS, metavar="S", help="time in all (default: no limit)")
    run.add_argument(
        "--max-analysis",
        type=_analysis_limit,
        default=BY_EFFORT,
        metavar="N",
        help="tokens of reasoning in a generation; off is no limit (default: by effort)",
    )
    run.add_argument(
        "--no-grammar",
        dest="grammar",
        action="store_false",
        help="let the model write what it likes, and reason without limit",
    )
    run.add_argument("--temperature", type=_TEMPERATURE, metavar="T", help="0 is greedy (default: the model's own)")
    run.add_argument("--seed", type=_SEED, metavar="N", help="make sampling repeatable")
    run.add_argument("--quiet", "-q", action="store_true", help="show no activity")
    run.add_argument("--trajectory", type=Path, metavar="FILE", help="record the run here (default: the data folder)")
    run.set_defaults(command=_run)


def _add_pull(commands: "argparse._SubParsersAction[_Parser]") -> None:
    pull = commands.add_parser(
        "pull",
        help="fetch a model from the Hugging Face hub",
        description="Fetch a model from the Hugging Face hub, verify it, and print its folder. What was fetched stays: "
        "the same command goes on after an interruption.",
    )
    pull.add_argument("model", help="gpt-oss-20b, gpt-oss-120b, or OWNER/NAME of any repository of that layout")
    pull.add_argument("--revision", metavar="NAME", help="a branch, tag or commit (default: the newest)")
    pull.add_argument("--to", type=Path, metavar="FOLDER", help="where to (default: the data folder)")
    pull.set_defaults(command=_pull)


def _add_engine(commands: "argparse._SubParsersAction[_Parser]") -> None:
    engine = commands.add_parser("engine", help="look at, check and time the engine", description="The engine.")
    actions = engine.add_subparsers(title="commands", metavar="COMMAND", required=True)
    info = actions.add_parser(
        "info",
        help="what computes here, what a model takes, how fast it may be",
        description="Say what computes on this machine, what memory a model takes, and how fast it may be.",
    )
    check = actions.add_parser(
        "check",
        help="whether kernels and weights are right",
        description="Compare the compiled kernels with the reference on this processor, and look a model's files over.",
    )
    bench = actions.add_parser(
        "bench", help="how fast a model is", description="Measure how fast a model runs on this machine."
    )
    for action, command in ((info, _engine_info), (check, _engine_check), (bench, _engine_bench)):
        action.add_argument("model", nargs="?", metavar="MODEL", help="as `ostinato run --model` (default: nano)")
        action.set_defaults(command=command)
    for action in (info, bench):
        action.add_argument("--json", action="store_true", help="print JSON")
    check.add_argument("--no-kernels", dest="kernels", action="store_false", help="look at the model's files only")
    bench.add_argument("--threads", type=_COUNT, metavar="N", help="cores to use (default: all)")
    bench.add_argument("--tokens", type=_MANY, default=64, metavar="N", help="tokens to decode (default: 64)")
    bench.add_argument("--prompt", type=_COUNT, default=512, metavar="N", help="tokens of the prompt (default: 512)")
    bench.add_argument("--sequences", type=_COUNT, default=8, metavar="N", help="at the same time (default: 8)")


def _add_sandbox(commands: "argparse._SubParsersAction[_Parser]") -> None:
    sandbox = commands.add_parser("sandbox", help="prepare the sandbox", description="Prepare the sandbox.")
    actions = sandbox.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = actions.add_parser("build", help="build the Docker image", description="Build the sandbox's Docker image.")
    build.add_argument("--packages", action="store_true", help="with numpy, pandas, matplotlib and companions")
    build.set_defaults(command=_build_sandbox)


class _Parser(argparse.ArgumentParser):
    """A parser that takes flags only by their full names and complains in one line."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})  # type: ignore[arg-type]

    def parse_known_args(  # type: ignore[override]  # the base overloads it by the namespace's class
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse what is left over in the command that it was given to, whose help lists what there is."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        sys.exit(_complain(f"{message}; see '{self.prog} --help'", ExitCode.USAGE))


def _number(kind: Callable[[str], float], claim: str, is_right: Callable[[float], bool]) -> Callable[[str], float]:
    """Make the type of a flag: a number of which `claim` is true."""

    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = float("nan")
        if not is_right(number):
            raise argparse.ArgumentTypeError(f"{text!r} is not a {claim}")
        return number

    return parse


def _analysis_limit(text: str) -> int | Literal["effort"] | None:
    if text == BY_EFFORT:
        return BY_EFFORT  # argparse reads a default as it reads a flag
    if text == "off":
        return None
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor off")
    return int(text)


_COUNT = _number(int, "whole number above 0", lambda number: number > 0)
_MANY = _number(int, "whole number above 1", lambda number: number > 1)
_SECONDS = _number(float, "number above 0", lambda number: 0 < number < float("inf"))
_GIGABYTES = _number(lambda text: int(float(text) * 1e9), "number of gigabytes above 0", lambda number: number > 0)
_TEMPERATURE = _number(float, "number from 0 to 10", lambda number: 0 <= number <= 10)
_SEED = _number(int, "whole number from 0 to 2^63 - 1", lambda number: 0 <= number < 2**63)


def _task(text: str) -> str:
    """Return the task; only `-` reads stdin, because an open stdin that nobody writes to would hang."""
    task = sys.stdin.buffer.read() if text == "-" else os.fsencode(text)
    try:
        decoded = task.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"the task is not UTF-8 text ({error}); convert it", code=ExitCode.BAD_INPUT) from error
    if not decoded.strip():
        raise CommandError("the task is empty; say what to do", code=ExitCode.BAD_INPUT)
    return decoded


def _chosen_sandbox(name: str) -> Kind:
    for kind in SANDBOXES:
        if name == kind:
            return kind
    raise CommandError(f"no sandbox named {name!r}; there is {', '.join(SANDBOXES)}", code=ExitCode.USAGE)


def _prepare_streams() -> None:
    """Fill streams that were closed (`2>&-`), before a file takes their number, and let no character fail to print."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  (for the whole process)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _complain(message: str, code: ExitCode) -> ExitCode:
    line = " ".join(message.split())
    sys.stderr.write(f"ostinato: {line}\n")
    return code


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _leave(number: int, frame: object) -> NoReturn:
    os._exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
