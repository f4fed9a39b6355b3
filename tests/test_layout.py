"""The layers are named in three places, which must agree; and they must import whatever else is lying around."""

import subprocess
import sys
import tomllib
import zipfile
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


def test_a_wheel_built_from_a_clone_without_symbolic_links_holds_every_layer_and_runs(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    command = ["git", "-c", "core.symlinks=false", "clone", "-q", "--no-hardlinks", ROOT, clone]
    subprocess.run(command, check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, clone]
    subprocess.run(build, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")

    imports = f"import {', '.join(MAPPING['packages'])}; print(ostinato.__file__)"
    run = [sys.executable, "-c", imports]
    printed = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path / "installed").stdout

    assert Path(printed.strip()).is_relative_to(tmp_path)
    shipped = {path.name for path in (tmp_path / "installed/ostinato").rglob("*") if path.suffix not in {".py", ".pyc"}}
    assert any(name.startswith("cpu_plain.") for name in shipped), "the compiled kernels, which CI can build"
    assert {"o200k_base.xz", "model.safetensors", "vocabulary.json", "Dockerfile", "py.typed"} <= shipped
