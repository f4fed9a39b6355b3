"""The interpreter inside a sandbox: runs cells one after the other in one namespace.

`run_cell` is plain Python and can be called anywhere on trusted code. The rest of the file is the process that the
supervisor (`supervisor.py`) forks: it takes cells from a socket, runs them and sends back what came of them.
Only the standard library is used, because this source travels into images that have nothing else.
"""

import ast
import base64
import contextlib
import io
import linecache
import os
import re
import signal
import socket
import sys
import traceback
import types

from ostinato.sandbox.frames import Frame, Unpacker, head_and_tail, pack

NOTEBOOK_NOTE = (
    "note: lines that start with ! or % are notebook commands; this is plain Python, and packages cannot be installed"
)
LIBRARY = re.compile(r".*/(?:python3\.\d+|site-packages|dist-packages)/")
MAX_IMAGES = 8
MAX_IMAGE_BYTES = 2 * 2**20


def run_cell(source: str, namespace: dict[str, object], number: int) -> tuple[str | None, str | None]:
    """Run the statements of `source` in `namespace`; return the repr of a last expression and the error, if any.

    A last expression that is not None is also bound to `_`. The error is a traceback as Python prints it, without
    frames of this file, without column markers, with library files named from their package on (`json/decoder.py`);
    the cell is called `<cell 1>` by its `number`, and its lines are shown. `sys.exit()` ends the cell: with no code
    or 0 it is no error. What the code prints is not captured here.
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
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
    exec(compile(tree, filename, "exec", dont_inherit=True), namespace)
    if not isinstance(last, ast.Expr):
        return None
    value = eval(compile(ast.Expression(last.value), filename, "eval", dont_inherit=True), namespace)
    if value is None:
        return None
    namespace["_"] = value
    return "".join([repr(value)])  # a plain string, whatever kind of string __repr__ returns


def _describe_bad_source(exception: BaseException) -> str:
    text = getattr(exception, "text", None)
    if isinstance(text, str) and text.lstrip().startswith(("!", "%")):
        exception.add_note(NOTEBOOK_NOTE)
    return "".join(traceback.format_exception_only(exception)).rstrip("\n")


def _outside(frames: types.TracebackType | None) -> types.TracebackType | None:
    while frames is not None and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next
    return frames


def _shorten(report: traceback.TracebackException) -> None:
    """Name library files from their package on, and drop the ^^^^ markers, which differ between Python versions."""
    frames = [(LIBRARY.sub("", f.filename), f.lineno or 0, f.name, f.line) for f in report.stack]
    report.stack = traceback.StackSummary.from_list(frames)
    for related in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        if related is not None:
            _shorten(related)


class Interpreter:
    """The process that keeps the variables; `serve` never returns."""

    def __init__(self, control: socket.socket, stdout: int, stderr: int, *, output_chars: int) -> None:
        self._control = control
        self._streams = (stdout, stderr)
        self._output_chars = output_chars
        self._pid = os.getpid()
        self._namespace = self._become_main()

    def serve(self) -> None:
        """Answer the cells that come over the control socket until it closes."""
        unpacker = Unpacker()
        while received := self._control.recv(2**16):
            for request in unpacker.feed(received):
                self._control.sendall(pack(self._answer(request)))
        os._exit(0)

    def _answer(self, request: Frame) -> Frame:
        self._bind_streams()
        result: str | None = None
        images: list[str] = []
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            result, error = run_cell(str(request["code"]), self._namespace, int(str(request["number"])))
            images = figures()
        except BaseException as failure:  # an interrupt after the cell, or matplotlib
            error = describe(failure)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._flush()
        reply: Frame = {"id": request["id"], "images": images}
        for key, text in (("result", result), ("error", error)):
            reply[key] = None if text is None else head_and_tail(text, self._output_chars)
            reply["truncated"] = reply.get("truncated", False) or reply[key] != text
        return reply

    def _bind_streams(self) -> None:
        """Undo what the last cell did to its streams: closed, replaced, redirected."""
        for number, stream in enumerate(self._streams, start=1):
            os.dup2(stream, number)
        sys.stdin = NoInput()
        sys.stdout, sys.stderr = map(_text_stream, (1, 2))

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):  # the cell may have put anything there
                stream.flush()
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the cell fell through; the answer is its parent's to give

    @staticmethod
    def _become_main() -> dict[str, object]:
        """Make a fresh `__main__`, so that pickle, dataclasses and multiprocessing find what the cells define."""
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        return main.__dict__


class NoInput(io.TextIOBase):
    """Stands in for stdin and says that nobody can type."""

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        """Refuse."""
        raise EOFError("there is no input here: nobody can type into this sandbox, so put the values into the code")

    def read(self, size: int | None = -1, /) -> str:
        """Return the end of the input."""
        return ""


def _text_stream(number: int) -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)


def figures() -> list[str]:
    """Return the open matplotlib figures as PNG in base64, at most 8 and 2 MB, and close them all."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return []
    images, room = [], MAX_IMAGE_BYTES
    numbers = pyplot.get_fignums()
    for number in numbers[:MAX_IMAGES]:
        png = io.BytesIO()
        pyplot.figure(number).savefig(png, format="png")
        if png.tell() <= room:
            room -= png.tell()
            images.append(base64.b64encode(png.getvalue()).decode("ascii"))
    pyplot.close("all")
    if dropped := len(numbers) - len(images):
        sys.stderr.write(f"{dropped} figures are not shown: at most {MAX_IMAGES} and {MAX_IMAGE_BYTES} bytes are\n")
    return images
