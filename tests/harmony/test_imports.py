import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["tiktoken", "torch", "httpx", "pydantic"])
def test_importing_harmony_loads_nothing_heavy(module: str) -> None:
    program = "import ostinato.harmony, sys, json; print(json.dumps(sorted(sys.modules)))"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert module not in json.loads(run.stdout)
