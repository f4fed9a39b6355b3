"""The program that runs inside, as one text for `python -c`.

It travels with the command that starts the sandbox: a remote Docker engine needs no shared folder, and a changed
worker no new image.
"""

import json
from pathlib import Path

from ostinato.sandbox.frames import Rules
from ostinato.sandbox.interface import Limits

PARTS = ("frames", "worker", "files", "confinement", "child", "watch", "supervisor")

BOOTSTRAP = """\
import sys, types
for name, source in PARTS:
    module = sys.modules[name] = types.ModuleType(name)
    parent = sys.modules.setdefault("ostinato.sandbox", types.ModuleType("ostinato.sandbox"))
    setattr(parent, name.rpartition(".")[2], module)
    exec(compile(source, f"<{name}>", "exec"), module.__dict__)
sys.modules["ostinato.sandbox.supervisor"].main(RULES)
"""


def program(rules: Rules) -> str:
    """Return the source to start as process 1 of a sandbox."""
    parts = [(f"ostinato.sandbox.{name}", Path(__file__).with_name(f"{name}.py").read_text("utf-8")) for name in PARTS]
    as_json = json.dumps({name: getattr(rules, name) for name in rules.__dataclass_fields__})
    return f"PARTS = {parts!r}\nRULES = {as_json!r}\n{BOOTSTRAP}"


def environment(limits: Limits) -> dict[str, str]:
    """Return the variables the code sees; the host's own are never among them."""
    threads = str(max(1, round(limits.cpus)))
    return {
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": "/tmp",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }
