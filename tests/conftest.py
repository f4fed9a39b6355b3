"""Options of the whole suite."""

import signal

import pytest
from hypothesis import settings


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-factor", type=int, default=1, metavar="N", help="try N times as many examples in every fuzz test"
    )
    parser.addoption("--fuzz-seed", type=int, default=0, metavar="N", help="what the fuzz tests of ids draw from")


def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis try that many times its 100 examples; `tests.fuzz.examples` scales with it."""
    factor = config.getoption("--fuzz-factor")
    settings.register_profile("fuzz", parent=settings(), max_examples=100 * factor, print_blob=True)
    if factor != 1:
        settings.load_profile("fuzz")


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to repeat the run."""
    return f"fuzz: --fuzz-factor={config.getoption('--fuzz-factor')} --fuzz-seed={config.getoption('--fuzz-seed')}"


@pytest.fixture(scope="session")
def fuzz_seed(pytestconfig: pytest.Config) -> int:
    """What random ids are drawn from."""
    seed = pytestconfig.getoption("--fuzz-seed")
    assert isinstance(seed, int)
    return seed


@pytest.fixture(scope="session")
def fuzz_factor(pytestconfig: pytest.Config) -> int:
    """How many times as much a fuzz test should try as in an ordinary run of the suite."""
    factor = pytestconfig.getoption("--fuzz-factor")
    assert isinstance(factor, int)
    return factor


@pytest.fixture(scope="session", autouse=True)
def hears_ctrl_c() -> None:
    """Let programs under test be interrupted: a shell's background jobs, and what they start, ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
