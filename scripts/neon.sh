#!/usr/bin/env bash
# The native tests for arm64 under emulation: how the NEON kernels are tested without such a machine.
# Skipped, by name, where there is no cross compiler or no emulator (Debian: g++-aarch64-linux-gnu and
# qemu-user).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compiler=aarch64-linux-gnu-g++
emulator=qemu-aarch64
for program in "$compiler" "$emulator"; do
  if ! command -v "$program" >/dev/null; then
    echo "neon: skipped, there is no $program"
    exit 0
  fi
done

# Headers of the machine that work for both; its others must not be seen.
build=build-neon
mkdir -p "$build/include"
for header in hwy doctest; do ln -sfn "/usr/include/$header" "$build/include/$header"; done

cmake -S . -B "$build" -DCONVLSTM_TESTS=ON -DCONVLSTM_CUDA=OFF -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CROSSCOMPILING_EMULATOR="$emulator" -DCMAKE_EXE_LINKER_FLAGS=-static \
  -DHIGHWAY_INCLUDE_DIR="$PWD/$build/include" -DDOCTEST_INCLUDE_DIR="$PWD/$build/include"
cmake --build "$build" --target convlstm_tests --parallel "$(nproc)"
# All tests; on arm64 NEON is what a process runs on.
ctest --test-dir "$build" --output-on-failure -R '^native$'
