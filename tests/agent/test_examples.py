"""The examples do what they say."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str, environment: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], env=environment, capture_output=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def test_function_tool(environment: dict[str, str]) -> None:
    assert run("function_tool.py", environment=environment).splitlines() == [
        'functions.stock({"instrument": "violins"}) → error: no instrument named \'violins\'; there is violin, cello',
        'functions.stock({"instrument": "violin"}) → {"violin": 3}',
        "answered: There are 3 new violins.",
    ]


def test_hello_agent(environment: dict[str, str]) -> None:
    told = run("hello_agent.py", environment=environment)

    assert "python (analysis): 479379301" in told
    assert "answered after 2 turns" in told
