// runtime_bugs NAME: two streams that share memory, with one planted bug. Exits with 0 if the bug
// was not found in any of 20 orders.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "cuda/device/kernel_address.h"
#include "simt/runtime/cuda_runtime.h"
#include "simt/runtime/runtime.h"

namespace convlstm::simulated {
namespace {

enum class Bug {
  kNone,
  kNoWaitForCopy,
  kNoWaitForKernel,
  kPinnedReusedEarly,
  kFreedTooEarly,
  kNoEdge,
  kOtherDevice,
  kDefaultStream
};

constexpr int kValues = 64;
constexpr size_t kBytes = kValues * sizeof(float);

struct Operands {
  float* values;
  float times, plus;
};
__global__ void MultiplyAdd(const Operands p) {
  p.values[threadIdx.x] = p.values[threadIdx.x] * p.times + p.plus;
}

// Whether out is 2 (in + 2), computed by a graph of two kernels between two copies on another
// stream.
bool Right(Bug bug) {
  cudaStream_t compute, copies;
  cudaStreamCreateWithFlags(&compute, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking);
  const auto order = [](cudaStream_t first, cudaStream_t second) {
    cudaEvent_t event;
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaEventRecord(event, first);
    cudaStreamWaitEvent(second, event, 0);
    cudaEventDestroy(event);
  };
  void *pinned, *memory;
  cudaHostAlloc(&pinned, kBytes, cudaHostAllocPortable);
  auto* const host = static_cast<float*>(pinned);
  std::fill_n(host, kValues, 1.0f);
  cudaMallocAsync(&memory, kBytes, copies);
  cudaMemcpyAsync(memory, host, kBytes, cudaMemcpyHostToDevice, copies);
  if (bug == Bug::kPinnedReusedEarly) std::fill_n(host, kValues, 2.0f);
  if (bug != Bug::kNoWaitForCopy) order(copies, compute);

  cudaGraph_t graph;
  cudaGraphExec_t exec;
  cudaGraphNode_t first, second;
  cudaGraphCreate(&graph, 0);
  const auto node_of = [&](Operands& operands, cudaGraphNode_t* node,
                           const cudaGraphNode_t* after) {
    void* arguments[] = {&operands};
    const cudaKernelNodeParams params = {const_cast<void*>(cuda::KernelAddress(MultiplyAdd)),
                                         dim3(1), dim3(kValues), 0, arguments};
    cudaGraphAddKernelNode(node, graph, after, after == nullptr ? 0 : 1, &params);
  };
  auto* const values = static_cast<float*>(memory);
  Operands add = {values, 1, 2}, twice = {values, 2, 0}, nothing = {values, 1, 0};
  node_of(add, &first, nullptr);
  node_of(twice, &second, bug == Bug::kNoEdge ? nullptr : &first);
  cudaGraphInstantiate(&exec, graph, 0);
  if (bug == Bug::kFreedTooEarly) cudaFreeAsync(memory, copies);
  bool launched = cudaGraphLaunch(exec, compute) == cudaSuccess;
  const cudaLaunchConfig_t config = {dim3(1), dim3(kValues), 0,
                                     bug == Bug::kDefaultStream ? nullptr : compute};
  if (bug == Bug::kOtherDevice) cudaSetDevice(1);
  launched &= cudaLaunchKernelEx(&config, MultiplyAdd, nothing) == cudaSuccess;
  cudaSetDevice(0);
  if (bug != Bug::kNoWaitForKernel) order(compute, copies);
  const bool copied =
      cudaMemcpyAsync(host, memory, kBytes, cudaMemcpyDeviceToHost, copies) == cudaSuccess;
  const bool done = cudaStreamSynchronize(copies) == cudaSuccess;
  const bool right = std::all_of(host, host + kValues, [](float value) { return value == 6; });
  if (bug != Bug::kFreedTooEarly) cudaFreeAsync(memory, compute);
  cudaStreamSynchronize(compute);
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  cudaFreeHost(pinned);
  return launched && copied && done && right;
}

}  // namespace
}  // namespace convlstm::simulated

int main(int argc, char** argv) {
  using convlstm::simulated::Bug;
  const std::string name = argc > 1 ? argv[1] : "none";
  const char* names[] = {
      "none",    "no-wait-for-copy", "no-wait-for-kernel", "pinned-reused-early", "freed-too-early",
      "no-edge", "other-device",     "default-stream"};
  for (int k = 0; k < 8; ++k) {
    if (name != names[k]) continue;
    for (uint32_t seed = 1; seed <= 20; ++seed) {
      convlstm::simulated::SetSeed(seed);
      if (!convlstm::simulated::Right(static_cast<Bug>(k))) {
        std::printf("found in order %u\n", seed);
        return 1;
      }
    }
    return 0;
  }
  std::printf("unknown bug: %s\n", name.c_str());
  return 0;
}
