"""The public names: few, documented, and cheap until they are used."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ostinato


@pytest.mark.parametrize("name", ostinato.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(ostinato, name) is not None
    assert name in dir(ostinato)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ostinato' has no attribute 'Agnet'"):
        _ = ostinato.Agnet


def test_importing_the_package_loads_none_of_its_layers(environment: dict[str, str]) -> None:
    program = "import sys, ostinato; print([name for name in sys.modules if name.startswith('ostinato.')])"

    loaded = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)

    assert loaded.stdout == b"[]\n"


def test_importing_the_package_takes_next_to_nothing(environment: dict[str, str]) -> None:
    program = "import sys, ostinato; print([name for name in ('typing', 'argparse') if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-S", "-c", program], env=environment, capture_output=True, check=True)

    assert loaded.stdout == b"[]\n"


def test_the_version_is_that_of_the_package() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"

    assert tomllib.loads(project.read_text())["project"]["version"] == ostinato.__version__
