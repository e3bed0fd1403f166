#!/usr/bin/env bash
# On a machine with a GPU, in what scripts/gpu-pack.mjs packed: tests, sanitizers, measurements and
# profiles, each with a limit of time, in one report folder: scripts/gpu-run.sh [REPORT [STEP ...]]
# Steps: info kernels fault simt tests memcheck racecheck initcheck synccheck bench host pytorch report
# ncu; `report` makes the tables of docs/benchmarks.md of what the three before it left
# Without a GPU every step that needs one fails, and says why.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
report=${1:-report}
shift || true
steps=("$@")
[[ ${#steps[@]} -gt 0 ]] || steps=(info kernels fault simt tests bench host pytorch report memcheck racecheck synccheck initcheck ncu)
mkdir -p "$report"
export PATH=$PWD/node/bin:$PATH CONVLSTM_REQUIRE_CUDA=1
failures=()

# step NAME SECONDS COMMAND...: its output is in REPORT/NAME.log.
step() {
  local name=$1 seconds=$2 begin=$SECONDS
  shift 2
  timeout "$seconds" "$@" >"$report/$name.log" 2>&1
  local status=$?
  if ((status == 0)); then
    printf '%-10s passed in %d s\n' "$name" $((SECONDS - begin))
  else
    printf '%-10s FAILED (%d) in %d s\n' "$name" "$status" $((SECONDS - begin))
    failures+=("$name")
    tail -n 15 "$report/$name.log"
  fi
}

sanitize() {
  if ! command -v compute-sanitizer >/dev/null; then
    printf '%-10s skipped: no compute-sanitizer here\n' "$1"
    return
  fi
  CONVLSTM_BRIEF_TESTS=1 step "$1" 250 \
    compute-sanitizer --tool "$1" --error-exitcode 9 bin/convlstm_cuda_tests
}

info() {
  date -u
  node --input-type=module --eval "
    import { backendInfo } from 'convlstm';
    const { devices, reason } = backendInfo().cuda;
    console.log(process.version, JSON.stringify(devices, null, 2));
    if (reason) throw new Error('no GPU: ' + reason);" &&
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv
}

profile() {
  local name precision
  for name in W1 'batch 64'; do
    for precision in highest medium; do
      ncu --clock-control none --kernel-name regex:ConvLstmStep --launch-skip 2 --launch-count 1 \
        --set full bin/convlstm_cuda_bench --once "$name" "$precision"
    done
  done
  ncu --clock-control none --kernel-name regex:WeightGradient --launch-skip 1 --launch-count 1 \
    --set full bin/convlstm_cuda_bench --once 'batch 64' highest training
}

export -f info profile
for name in "${steps[@]}"; do
  case $name in
    info) step info 60 bash -c info ;;
    kernels) step kernels 120 bin/convlstm_cuda_tests ;;
    fault) step fault 60 bin/convlstm_cuda_tests --fault ;;
    simt) step simt 200 bin/convlstm_simt_tests ;;
    tests) # all but what needs packages that are not here: the MNIST digits, the TypeScript compiler
      step tests 550 node node_modules/vitest/vitest.mjs run \
        --project main --project process --project cuda \
        --exclude test/examples.test.ts --exclude test/readme.test.ts
      ;;
    memcheck | initcheck | synccheck | racecheck) sanitize "$name" ;;
    bench) step bench 260 bin/convlstm_cuda_bench ;;
    host) step host 200 node bench/gpu/convlstm.mjs ;;
    pytorch)
      if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        step pytorch 560 python3 bench/gpu/pytorch.py
      else
        echo 'pytorch    skipped: no PyTorch with CUDA here'
      fi
      ;;
    report)
      step report 20 node bench/gpu/report.mjs "$report"
      cat "$report/report.log"
      ;;
    ncu)
      if command -v ncu >/dev/null; then
        step ncu 200 bash -c profile
      else
        echo 'ncu        skipped: no ncu here'
      fi
      ;;
    *) echo "unknown step $name" >&2; exit 2 ;;
  esac
done
if ((${#failures[@]})); then
  printf 'failed: %s\n' "${failures[@]}"
  exit 1
fi
