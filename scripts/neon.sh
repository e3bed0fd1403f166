#!/usr/bin/env bash
# Runs the native tests for arm64, and so the NEON kernels, under an emulator. Skipped, by name, without
# a cross compiler or an emulator (Debian: g++-aarch64-linux-gnu and qemu-user).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compiler=aarch64-linux-gnu-g++
emulator=qemu-aarch64
for program in "$compiler" "$emulator"; do
  if ! command -v "$program" >/dev/null; then
    echo "neon: skipped: $program is not installed"
    exit 0
  fi
done

# Only these headers of the host are portable; the compiler must not see the others.
build=build-neon
mkdir -p "$build/include"
for header in hwy doctest; do ln -sfn "/usr/include/$header" "$build/include/$header"; done

cmake -S . -B "$build" -DCONVLSTM_TESTS=ON -DCONVLSTM_CUDA=OFF -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CROSSCOMPILING_EMULATOR="$emulator" -DCMAKE_EXE_LINKER_FLAGS=-static \
  -DHIGHWAY_INCLUDE_DIR="$PWD/$build/include" -DDOCTEST_INCLUDE_DIR="$PWD/$build/include"
cmake --build "$build" --target convlstm_tests --parallel "$(nproc)"
# NEON is the default instruction set on arm64.
ctest --test-dir "$build" --output-on-failure -R '^native$'
