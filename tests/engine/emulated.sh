#!/usr/bin/env bash
# Run the tests of the compiled kernels on an emulated ARM processor, with arm64 builds of Python, numpy and torch.
#
#     tests/engine/emulated.sh FOLDER [flags of pytest]        FOLDER keeps 700 MB between runs
#
# Needs a few minutes for each kind of library, and g++-aarch64-linux-gnu, qemu-user-static and mmdebstrap (Debian).
# ARM_CPU=cortex-a72 emulates a processor without `sdot`.
set -euo pipefail
folder=$(realpath -m "$1")
shift
cd "$(dirname "$0")/../.."

arm() { qemu-aarch64-static -cpu "${ARM_CPU:-max}" -L "$folder/root" "$folder/root/usr/bin/python3" "$@"; }

if [ ! -d "$folder/root" ]; then
    mmdebstrap --variant=extract --architectures=arm64 --skip=check/qemu \
        --include=python3,python3-pip,libstdc++6,libgomp1 bookworm "$folder/root"
fi
if [ ! -d "$folder/site" ]; then  # the last torch whose builds for ARM come without CUDA
    arm -m pip install --quiet --target "$folder/site" --only-binary=:all: \
        torch==2.8.0 numpy pydantic hypothesis pytest pytest-asyncio safetensors
fi

flags="-O3 -g0 -std=c++20 -pthread -ffast-math -fno-finite-math-only -fvisibility=hidden -w -fPIC -shared"
trap 'rm -f engine/kernels/cpu_*.emulated.so' EXIT
build() { aarch64-linux-gnu-g++ $flags "${@:2}" engine/kernels/src/*.cpp -s -o "engine/kernels/cpu_$1.emulated.so"; }
build dotprod -march=armv8.2-a+dotprod
build neon
PYTHONPATH="src:$folder/site" arm -m pytest -p no:cacheprovider tests/engine/test_kernels.py "$@"
