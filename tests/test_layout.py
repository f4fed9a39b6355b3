"""The layers are named in three places, which must agree; and they must import whatever else is lying around."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAPPING = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
LAYERS = {name.removeprefix("ostinato."): folder for name, folder in MAPPING["package-dir"].items() if "." in name}


def test_every_layer_has_a_folder_and_a_link_to_it() -> None:
    links = {path.name: path.resolve() for path in (ROOT / "src/ostinato").iterdir() if path.is_symlink()}

    assert links == {layer: ROOT / folder for layer, folder in LAYERS.items()}


def test_every_folder_with_code_is_packaged() -> None:
    found = {
        "ostinato." + ".".join(path.parent.relative_to(ROOT).parts)
        for layer in LAYERS.values()
        for path in (ROOT / layer).rglob("__init__.py")
    }

    assert found | {"ostinato"} == set(MAPPING["packages"])


def test_a_script_with_its_own_tools_folder_gets_its_own_and_ours(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/__init__.py").write_text("mine = True\n")
    script = tmp_path / "script.py"
    script.write_text("import tools, ostinato.tools\nprint(tools.mine, ostinato.tools.Toolbox.__name__)\n")

    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    assert printed.split() == ["True", "Toolbox"]
