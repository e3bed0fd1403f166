#!/usr/bin/env bash
# Runs the native tests under sanitizers: scripts/sanitize.sh address,undefined | thread
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sanitizers=$1
build=build-${sanitizers//,/-}
# -O1, because instrumented kernels take minutes a file to compile at -O3.
cmake -S . -B "$build" -DCONVLSTM_TESTS=ON -DCONVLSTM_SANITIZE="$sanitizers" -DCONVLSTM_CUDA=OFF \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
cmake --build "$build" --target convlstm_test_programs

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
ctest --test-dir "$build" --output-on-failure --parallel "$CMAKE_BUILD_PARALLEL_LEVEL"
