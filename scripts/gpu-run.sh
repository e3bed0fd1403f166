#!/usr/bin/env bash
# Runs tests, sanitizers, benchmarks and profiles on a machine with a GPU, in the folder that
# scripts/gpu-pack.mjs packed: scripts/gpu-run.sh [REPORT [WHAT ...]]
# Each step has a time limit and writes its output to REPORT/STEP.log.
#
#   check     info kernels fault tests    correctness
#   memory    memcheck initcheck          compute-sanitizer on the kernels' test program
#   races     racecheck synccheck
#   measure   bench host                  this package: on the device, and as timed by JavaScript
#   peers     pytorch                     PyTorch with cuDNN: sequences on the device
#   peers-host  pytorch-host              the same as timed by Python: steps, training
#   profile   ncu                         profiles of the main kernels
#   report                                the tables of docs/benchmarks.md, from the logs in REPORT
#
# WHAT is any of these words; default all. With TIME_LIMIT=590 the script ends within 590 seconds: each
# line above then fits a call that is limited to ten minutes. A step that is cut off keeps its output.
# Without a GPU, every step that needs one fails and prints the reason.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
report=${1:-report}
shift || true
what=("$@")
[[ ${#what[@]} -gt 0 ]] || what=(check measure peers peers-host report memory races profile)
mkdir -p "$report"
tools=(/usr/local/cuda/bin /opt/nvidia/nsight-compute/*/)
PATH=$PWD/node/bin:$PATH:$(IFS=: && echo "${tools[*]}")
export PATH CONVLSTM_REQUIRE_CUDA=1
failures=()

say() { printf '%-12s %s\n' "$1" "$2"; }

# step NAME SECONDS COMMAND...: runs a step with output in REPORT/NAME.log.
step() {
  local name=$1 seconds=$2 begin=$SECONDS
  shift 2
  if [[ -n ${TIME_LIMIT:-} ]]; then
    local left=$((TIME_LIMIT - SECONDS))
    if ((left < 5)); then
      say "$name" 'NOT RUN: no time left'
      failures+=("$name")
      return
    fi
    seconds=$((seconds < left ? seconds : left))
  fi
  timeout --kill-after=3 "$seconds" "$@" >"$report/$name.log" 2>&1
  local status=$?
  if ((status == 0)); then
    say "$name" "passed in $((SECONDS - begin)) s"
    return
  fi
  ((status == 124 || status == 137)) && status="$status, cut off"
  say "$name" "FAILED ($status) in $((SECONDS - begin)) s"
  failures+=("$name")
  tail -n 15 "$report/$name.log"
}

# has TOOL NAME: succeeds if TOOL is installed; else prints that the step NAME is skipped.
has() {
  command -v "$1" >/dev/null && return
  say "$2" "skipped: no $1 here"
  return 1
}

sanitize() {
  has compute-sanitizer "$1" || return 0
  CONVLSTM_BRIEF_TESTS=1 step "$1" 290 \
    compute-sanitizer --tool "$1" --error-exitcode 9 bin/convlstm_cuda_tests --duration=true
}

# peers NAME ARGUMENT: runs bench/gpu/pytorch.py ARGUMENT as the step NAME.
peers() {
  if ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    say "$1" 'skipped: no PyTorch with CUDA here'
    return
  fi
  step "$1" 580 python3 bench/gpu/pytorch.py "$2"
}

info() {
  local tool
  date -u
  for tool in compute-sanitizer ncu python3; do
    echo "$tool: $(command -v "$tool" || echo none)"
  done
  python3 -c 'import torch; print("torch", torch.__version__, torch.cuda.is_available())'
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

run() {
  case $1 in
    check) run_all info kernels fault tests ;;
    memory) run_all memcheck initcheck ;;
    races) run_all racecheck synccheck ;;
    measure) run_all bench host ;;
    peers) run_all pytorch ;;
    peers-host) run_all pytorch-host ;;
    profile) run_all ncu ;;
    info) step info 60 bash -c info ;;
    kernels) step kernels 150 bin/convlstm_cuda_tests --duration=true ;;
    fault) step fault 30 bin/convlstm_cuda_tests --fault ;;
    tests) # without the suites that need the MNIST digits or the TypeScript compiler
      step tests 550 node node_modules/vitest/vitest.mjs run \
        --project main --project process --project cuda \
        --exclude test/examples.test.ts --exclude test/readme.test.ts
      ;;
    memcheck | initcheck | synccheck | racecheck) sanitize "$1" ;;
    bench) step bench 370 bin/convlstm_cuda_bench ;;
    host) step host 210 node bench/gpu/convlstm.mjs ;;
    pytorch) peers pytorch sequences ;;
    pytorch-host) peers pytorch-host host ;;
    report)
      step report 20 node bench/gpu/report.mjs "$report"
      cat "$report/report.log"
      ;;
    ncu) has ncu ncu && step ncu 400 bash -c profile ;;
    *)
      echo "gpu-run.sh: there is no $1" >&2
      exit 2
      ;;
  esac
}
run_all() {
  local name
  for name in "$@"; do run "$name"; done
}

export -f info profile
run_all "${what[@]}"
if ((${#failures[@]})); then
  printf 'failed: %s\n' "${failures[@]}"
  exit 1
fi
