"""What a user sees while weights are read."""

import io

from rich.console import Console

from ostinato.agent.loading import LoadingBar

CALLS = ((10**9, 4 * 10**9), (2 * 10**9, 4 * 10**9), (4 * 10**9, 4 * 10**9))


def seen(*, is_terminal: bool, term: str = "xterm", patience: float = 0, is_quiet: bool = False) -> str:
    file = io.StringIO()
    environment = {"TERM": term}
    console = Console(
        file=file, force_terminal=is_terminal, width=100, quiet=is_quiet, _environ=environment, color_system=None
    )
    with LoadingBar(console, patience=patience) as bar:
        for done, total in CALLS:
            bar(done, total)
    bar(*CALLS[-1])
    return file.getvalue()


def test_a_terminal_shows_a_bar_and_takes_it_away() -> None:
    text = seen(is_terminal=True)

    assert "loading" in text
    assert "4.0/4.0 GB" in text
    assert text.endswith("\x1b[2K")  # the line is erased
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # and the cursor is back


def test_a_pipe_gets_one_line() -> None:
    assert seen(is_terminal=False) == "loading 4.0 GB of weights\n"


def test_a_terminal_that_can_only_print_gets_one_line() -> None:
    assert seen(is_terminal=True, term="dumb") == "loading 4.0 GB of weights\n"


def test_what_is_quick_is_not_shown() -> None:
    assert seen(is_terminal=True, patience=float("inf")) == ""
    assert seen(is_terminal=False, patience=float("inf")) == ""


def test_a_quiet_console_shows_nothing() -> None:
    assert seen(is_terminal=True, is_quiet=True) == ""
