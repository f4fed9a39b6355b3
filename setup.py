"""Build the compiled kernels: one library per kind of processor, chosen when the engine starts.

Their interface is plain C (`engine/kernels/src/ostinato_cpu.h`) and they are loaded with ctypes: they fit every Python.
A kind that this machine's compiler cannot build is left out. A machine without a C++ compiler installs without any, and
the engine then runs on torch alone, slower.
"""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path("engine/kernels/src")
FLAGS = ["-O3", "-g0", "-std=c++20", "-pthread", "-ffast-math", "-fno-finite-math-only", "-fvisibility=hidden", "-w"]
IS_MAC = sys.platform == "darwin"

# What the processors have: -m… on x86, -march=… on ARM.
AVX2 = ["-mavx2", "-mfma"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"]
X86 = {
    "amx": [*AVX512, "-mavx512vbmi", "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-mamx-int8"],
    "avx512": AVX512,
    "avxvnni": [*AVX2, "-mavxvnni"],
    "avx2": AVX2,
}
ARM = {"dotprod": ["-march=armv8.2-a+dotprod"], "neon": []}
ARM_MAC = {"dotprod": []}  # Apple's compiler takes the first of its processors for granted
PLAIN = {"plain": ["-DOSTINATO_PLAIN"]}


def kinds() -> dict[str, list[str]]:
    """Return the kinds of processor that programs for this one may meet, with the flags of each."""
    if sys.platform == "win32":
        return {}
    if platform.machine() in ("x86_64", "AMD64"):
        without_amx = {name: flags for name, flags in X86.items() if name != "amx"}
        return {**(without_amx if IS_MAC else X86), **PLAIN}
    if platform.machine() in ("aarch64", "arm64"):
        return {**(ARM_MAC if IS_MAC else ARM), **PLAIN}
    return PLAIN


def kernels() -> list[Extension]:
    """Return the libraries to build."""
    return [
        Extension(
            f"ostinato.engine.kernels.cpu_{name}",
            sorted(map(str, SOURCE.glob("*.cpp"))),
            depends=sorted(map(str, SOURCE.glob("*.h"))),
            extra_compile_args=[*FLAGS, *flags, *(["-mmacosx-version-min=11.0"] if IS_MAC else [])],
            extra_link_args=["-pthread"] if IS_MAC else ["-pthread", "-s"],
            optional=True,
            py_limited_api=True,
        )
        for name, flags in kinds().items()
    ]


class BuildInParallel(build_ext):
    """Compiles the libraries side by side: each takes half a minute."""

    def finalize_options(self) -> None:
        """Use two processes unless told otherwise."""
        super().finalize_options()
        self.parallel = self.parallel or 2


if IS_MAC:  # one processor's flags do not fit the other half of a universal library
    os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")
setup(ext_modules=kernels(), cmdclass={"build_ext": BuildInParallel})
