"""Activity: an agent's events as lines on a terminal or in a log; nothing is redrawn, so scrollback and pipes work."""

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from ostinato.agent.events import (
    Event,
    Finished,
    ReasoningClosed,
    ReasoningDelta,
    Repaired,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from ostinato.harmony import Repair
from ostinato.tools import CallRepair, CallRepairKind

LINES_SHOWN = 30
CHARACTERS_SHOWN = 3000
# Text of a model or a page must not move the cursor or set the title: its control characters are made visible.
_PICTURES = {number: chr(0x2400 + number) for number in range(0x20)} | dict.fromkeys(range(0x7F, 0xA0), "\ufffd")
_VISIBLE = {number: text for number, text in _PICTURES.items() if chr(number) not in "\n\t"}


class Activity:
    """Shows what an agent does on `console`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._is_in_line = False

    def note(self, text: str) -> None:
        """Show a line of our own."""
        self._end_line()
        self.console.print(Text(printable(text), style="dim"), soft_wrap=True)

    def show(self, event: Event) -> None:
        """Show an event."""
        match event:
            case ReasoningDelta(text=text):
                self._stream(text, style="dim")
            case TextDelta(text=text, is_final=False):
                self._stream(text, style="")
            case ToolStarted(request=request, tool=tool):
                self._box(request.text, title=f"{tool} ◀", style="cyan")
            case ToolFinished(reply=reply, tool=tool, seconds=seconds):
                self._box(reply.text, title=f"{tool} ▶ {seconds:.1f} s", style="green")
            case Repaired(repair=repair):
                self.note(f"repaired: {_described(repair)}")
            case ReasoningClosed(why=why, tokens=tokens):
                self.note(f"reasoning closed after {tokens} tokens: {why}")
            case Finished():
                self.note(summary(event))

    def _stream(self, text: str, *, style: str) -> None:
        self.console.print(Text(printable(text), style=style), end="", soft_wrap=True)
        self._is_in_line = not text.endswith("\n")

    def _end_line(self) -> None:
        if self._is_in_line:
            self.console.print()
            self._is_in_line = False

    def _box(self, text: str, *, title: str, style: str) -> None:
        self._end_line()
        body = Text(_shortened(printable(text)))
        self.console.print(Panel(body, title=Text(printable(title)), title_align="left", border_style=style))


def printable(text: str) -> str:
    """Return `text` with its control characters made visible, all but line breaks and tabs."""
    return text.translate(_VISIBLE)


def summary(finished: Finished) -> str:
    """Say in one line how a run ended and what it took."""
    why = f": {finished.detail}" if finished.detail else ""
    usage = finished.usage
    parts = {"reasoning": usage.reasoning, "calls": usage.calls, "answer": usage.answer, "control": usage.control}
    spent = ", ".join(f"{count} {part}" for part, count in parts.items() if count)
    sampled = f"{usage.sampled} sampled" + (f" ({spent})" if spent else "")
    tokens = f"{usage.prompt} prompt tokens ({usage.cached} cached), {sampled}"
    turns = f"{finished.turns} turn{'' if finished.turns == 1 else 's'}"
    return f"{finished.reason}{why} · {turns} · {tokens} · {finished.seconds:.1f} s"


def _described(repair: Repair | CallRepair) -> str:
    what = repair.kind.replace("_", " ")
    if isinstance(repair, CallRepair):
        what = repair.written if repair.kind == CallRepairKind.RECIPIENT else f"arguments ({what})"
    return f"{what} → {_shortened(repair.assumed)}"


def _shortened(text: str) -> str:
    lines = text.splitlines()
    shown = "\n".join(lines[:LINES_SHOWN])
    if len(shown) > CHARACTERS_SHOWN:
        return f"{shown[:CHARACTERS_SHOWN]}\n… {len(text) - CHARACTERS_SHOWN} more characters; the trajectory has them"
    if len(lines) > LINES_SHOWN:
        return f"{shown}\n… {len(lines) - LINES_SHOWN} more lines; the trajectory has them"
    return text
