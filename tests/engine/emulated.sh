#!/usr/bin/env bash
# Check the compiled kernels on an emulated ARM processor, with arm64 builds of Python, numpy and torch: whole models
# against the slow reference, every way of computing of engine/self_test.py.
#
#     tests/engine/emulated.sh FOLDER        FOLDER keeps 700 MB between runs
#
# Needs g++-aarch64-linux-gnu, qemu-user-static and mmdebstrap (Debian). ARM_CPU=cortex-a72 is a processor without `sdot`.
set -euo pipefail
folder=$(realpath -m "$1")
cd "$(dirname "$0")/../.."

arm() { qemu-aarch64-static -cpu "${ARM_CPU:-max}" -L "$folder/root" "$folder/root/usr/bin/python3" "$@"; }

if [ ! -d "$folder/root" ]; then
    mmdebstrap --variant=extract --architectures=arm64 --skip=check/qemu \
        --include=python3,python3-pip,libstdc++6,libgomp1 bookworm "$folder/root"
fi
if [ ! -d "$folder/site" ]; then  # the last torch whose builds for ARM come without CUDA
    arm -m pip install --quiet --target "$folder/site" --only-binary=:all: \
        torch==2.8.0 numpy pydantic safetensors
fi

flags="-O3 -g0 -std=c++20 -pthread -ffast-math -fno-finite-math-only -fvisibility=hidden -w -fPIC -shared"
trap 'rm -f engine/kernels/cpu_*.emulated.so' EXIT
build() { aarch64-linux-gnu-g++ $flags "${@:2}" engine/kernels/src/*.cpp -s -o "engine/kernels/cpu_$1.emulated.so"; }
build dotprod -march=armv8.2-a+dotprod
build neon
PYTHONPATH="src:$folder/site" arm - <<'END'
from ostinato.engine.kernels.library import libraries
from ostinato.engine.self_test import findings

wrong = 0
for kind, library in libraries().items():
    for finding in findings(library):
        print(kind, finding.form.name, finding.what, f"{finding.error:.5f}", "" if finding.is_sound else "WRONG", flush=True)
        wrong += not finding.is_sound
raise SystemExit(wrong)
END
