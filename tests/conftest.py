"""Options of the whole suite."""

import pytest
from hypothesis import settings


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-factor", type=int, default=1, metavar="N", help="try N times as many examples in every fuzz test"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis try that many times its 100 examples; `tests.fuzz.examples` scales with it."""
    factor = config.getoption("--fuzz-factor")
    settings.register_profile("fuzz", parent=settings(), max_examples=100 * factor, print_blob=True)
    if factor != 1:
        settings.load_profile("fuzz")


@pytest.fixture(scope="session")
def fuzz_factor(pytestconfig: pytest.Config) -> int:
    """How many times as much a fuzz test should try as in an ordinary run of the suite."""
    factor = pytestconfig.getoption("--fuzz-factor")
    assert isinstance(factor, int)
    return factor
