"""Build the compiled kernels: one library per kind of processor, chosen when the engine starts.

Their interface is plain C (`engine/kernels/src/ostinato_cpu.h`) and they are loaded with ctypes: they fit every Python.
A machine without a C++ compiler installs without them, and the engine then runs on torch alone, slower.
"""

import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = ["engine/kernels/src/ostinato_cpu.cpp", "engine/kernels/src/panels.cpp"]
HEADERS = sorted(str(path) for path in Path("engine/kernels/src").glob("*.h"))
FLAGS = ["-O3", "-g0", "-std=c++20", "-pthread", "-ffast-math", "-fno-finite-math-only", "-fvisibility=hidden", "-w"]
AVX512 = ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vbmi", "avx512vnni", "avx2", "fma"]
TARGETS = {
    "amx": [*AVX512, "avx512bf16", "amx-tile", "amx-bf16", "amx-int8"],
    "avx512": AVX512,
    "avx2": ["avx2", "fma"],
}


def kernels() -> list[Extension]:
    """Return the libraries that this machine's compiler may build."""
    if sys.platform == "win32":
        return []
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    targets = {**(TARGETS if is_x86 else {}), "plain": []}
    return [
        Extension(
            f"ostinato.engine.kernels.cpu_{name}",
            SOURCES,
            depends=HEADERS,
            extra_compile_args=[*FLAGS, *(f"-m{feature}" for feature in features)],
            extra_link_args=["-pthread", "-s"],
            optional=True,
            py_limited_api=True,
        )
        for name, features in targets.items()
    ]


class BuildInParallel(build_ext):
    """Compiles the libraries side by side: each takes half a minute."""

    def finalize_options(self) -> None:
        """Use two processes unless told otherwise."""
        super().finalize_options()
        self.parallel = self.parallel or 2


setup(ext_modules=kernels(), cmdclass={"build_ext": BuildInParallel})
