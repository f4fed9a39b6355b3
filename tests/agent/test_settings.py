"""Settings come from the environment, and an empty variable is none."""

from pathlib import Path

import pytest

from ostinato.agent.exit_codes import CommandError
from ostinato.agent.settings import Settings


@pytest.mark.parametrize(
    ("environment", "home"),
    [
        ({"OSTINATO_HOME": "/data/ostinato"}, Path("/data/ostinato")),
        ({"XDG_DATA_HOME": "/data"}, Path("/data/ostinato")),
        (
            {"XDG_DATA_HOME": "relative"},
            Path("~/.local/share/ostinato").expanduser(),
        ),
        ({"OSTINATO_HOME": "", "XDG_DATA_HOME": ""}, Path("~/.local/share/ostinato").expanduser()),
    ],
)
def test_the_home_is_ours_or_that_of_xdg_if_it_is_absolute(environment: dict[str, str], home: Path) -> None:
    assert Settings.from_environment(environment).home == home


def test_without_an_environment_there_are_defaults() -> None:
    settings = Settings.from_environment({})

    assert (settings.model, settings.sandbox, settings.no_color) == ("nano", "auto", False)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_switched_off(environment: dict[str, str]) -> None:
    assert Settings.from_environment(environment).no_color


def test_a_home_of_nobody_is_refused_with_what_to_do() -> None:
    with pytest.raises(CommandError, match="'~nobody-here/x' is in no known home folder; set OSTINATO_HOME"):
        Settings.from_environment({"OSTINATO_HOME": "~nobody-here/x"})
