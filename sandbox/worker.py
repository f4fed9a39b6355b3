"""The interpreter inside a sandbox: runs cells one after the other in one namespace.

`run_cell` is plain Python and can be called anywhere on trusted code. The rest of the file is the process that the
supervisor (`supervisor.py`) forks: it takes cells from a socket, runs them and sends back what came of them.
Only the standard library is used, because this source travels into images that have nothing else.
"""

import ast
import linecache
import re
import traceback
from types import TracebackType

NOTEBOOK_NOTE = (
    "note: lines that start with ! or % are notebook commands; this is plain Python, and packages cannot be installed"
)
LIBRARY = re.compile(r".*/(?:python3\.\d+|site-packages|dist-packages)/")


def run_cell(source: str, namespace: dict[str, object], number: int) -> tuple[str | None, str | None]:
    """Run the statements of `source` in `namespace`; return the repr of a last expression and the error, if any.

    A last expression that is not None is also bound to `_`. The error is a traceback as Python prints it, without
    frames of this file, without column markers, with library files named from their package on (`json/decoder.py`);
    the cell is called `<cell 1>` by its `number`, and its lines are shown. `sys.exit()` ends the cell: with no code or 0 it is no error. What the code prints is not captured here.
    """
    filename = f"<cell {number}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        tree = ast.parse(source, filename)
    except BaseException as exception:
        return None, _describe_bad_source(exception)
    try:
        return _run(tree, filename, namespace), None
    except SystemExit as exception:
        return None, None if exception.code in (None, 0) else describe(exception)
    except BaseException as exception:
        return None, describe(exception)


def describe(exception: BaseException) -> str:
    """Return the traceback of `exception` from the first frame that is not of this file."""
    try:
        report = traceback.TracebackException(
            type(exception), exception, _outside(exception.__traceback__), compact=True
        )
        _shorten(report)
        return "".join(report.format()).rstrip("\n")
    except BaseException as failure:  # the code's own __str__ or __repr__ may raise anything
        return f"{type(exception).__name__} (it cannot be shown: {type(failure).__name__})"


def _run(tree: ast.Module, filename: str, namespace: dict[str, object]) -> str | None:
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, filename, "exec", dont_inherit=True), namespace)
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), filename, "eval", dont_inherit=True), namespace)
    if value is None:
        return None
    namespace["_"] = value
    return repr(value)


def _describe_bad_source(exception: BaseException) -> str:
    text = getattr(exception, "text", None)
    if isinstance(text, str) and text.lstrip().startswith(("!", "%")):
        exception.add_note(NOTEBOOK_NOTE)
    return "".join(traceback.format_exception_only(exception)).rstrip("\n")


def _outside(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next
    return frames


def _shorten(report: traceback.TracebackException) -> None:
    """Name library files from their package on, and drop the ^^^^ markers, which differ between Python versions."""
    frames = [(LIBRARY.sub("", f.filename), f.lineno, f.name, f.line) for f in report.stack]
    report.stack = traceback.StackSummary.from_list(frames)
    for related in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        if related is not None:
            _shorten(related)
