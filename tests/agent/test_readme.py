"""README.md: its Python runs as it stands there, with a scripted model for the weights that nobody has in a test."""

import subprocess
import sys

from tests.documents import ROOT, python_blocks

WEIGHTS = 'load_model("/models/gpt-oss-20b")'
SCRIPT = """__import__("ostinato").scripted_engine(
    '<|channel|>commentary to=functions.stock <|constrain|>json<|message|>{"instrument": "cello"}<|call|>',
    "<|channel|>final<|message|>There are none.<|return|>",
    '<|channel|>final <|constrain|>json<|message|>{"count": 0}<|return|>',
)"""
SHOWN = """
print([(message.author.name, message.text) for message in first.conversation if message.author.name])
print(agent.run_sync("And now?").text)
"""


def test_the_python_of_the_readme_runs(environment: dict[str, str]) -> None:
    program = "\n".join(python_blocks("README.md"))
    assert program.count(WEIGHTS) == 1
    program = program.replace(WEIGHTS, SCRIPT).replace("\nagent.run_sync(", "\nfirst = agent\nagent.run_sync(")

    ended = subprocess.run(
        [sys.executable, "-c", program + SHOWN],
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )

    assert ended.returncode == 0, ended.stderr.decode()
    assert ended.stdout.decode() == ("The product is 479379301.\n[('functions.stock', '0')]\n{\"count\": 0}\n")
