"""The products that are written by hand for each kind of processor, against those in plain C++, with identical inputs.

Those for ARM are compiled by a cross compiler and run in an emulator, where both are installed
(`apt-get install g++-aarch64-linux-gnu qemu-user-static`); `emulated.sh` runs all tests of the kernels there.
"""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "engine/kernels/src"
FLAGS = ["-O1", "-std=c++20", "-w", "-static", "-I", SOURCE]
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"]
ON_X86 = {"avx512": AVX512, "with vbmi": [*AVX512, "-mavx512vbmi"], "avxvnni": [*AVX2, "-mavxvnni"], "avx2": AVX2}
ON_ARM = {"dotprod": ["-march=armv8.2-a+dotprod"], "neon": ["-march=armv8-a"]}
IS_ARM = platform.machine() == "aarch64"


@pytest.mark.parametrize("kind", ON_X86)
@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("g++"), reason="needs g++ on x86-64")
def test_products_for_x86_equal_those_in_plain_cpp(kind: str, tmp_path: Path) -> None:
    check("g++", ON_X86[kind], [], tmp_path)


@pytest.mark.parametrize("kind", ON_ARM)
@pytest.mark.skipif(
    not IS_ARM and not (shutil.which("aarch64-linux-gnu-g++") and shutil.which("qemu-aarch64-static")),
    reason="needs g++-aarch64-linux-gnu and qemu-user-static",
)
def test_products_for_arm_equal_those_in_plain_cpp(kind: str, tmp_path: Path) -> None:
    compiler, runner = ("g++", []) if IS_ARM else ("aarch64-linux-gnu-g++", ["qemu-aarch64-static", "-cpu", "max"])
    check(compiler, ON_ARM[kind], runner, tmp_path)


def check(compiler: str, flags: list[str], runner: list[str], folder: Path) -> None:
    sources = [Path(__file__).parent / "products.cpp", SOURCE / "processor.cpp"]
    subprocess.run([compiler, *FLAGS, *flags, *sources, "-o", folder / "products"], check=True)
    done = subprocess.run([*runner, folder / "products"], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("this processor cannot run them")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
