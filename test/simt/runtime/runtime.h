// Simulated GPUs. The CUDA engine, host code and kernels, runs on them as on a real GPU, and every
// order that the engine leaves undefined is chosen at random.
//
// How mistakes show:
//   missing wait          work on a stream runs when somebody waits for it or at random before;
//                         streams take random turns, and so do the nodes of a graph within its
//                         dependencies
//   pinned memory reused  pinned memory is accessed when the copy runs, pageable memory when the
//   too early             copy is issued
//   device memory         is NaN when allocated and returns to the heap when freed, in stream
//   order,
//                         so that AddressSanitizer sees kernels that use it after free; copies
//                         outside allocations are a fault
//   wrong device          a stream, event or launch on the wrong device, a peer copy without
//   access,
//                         a kernel with more shared memory than allowed: an error
#ifndef CONVLSTM_TEST_SIMT_RUNTIME_RUNTIME_H_
#define CONVLSTM_TEST_SIMT_RUNTIME_RUNTIME_H_

#include <cstddef>
#include <cstdint>

namespace convlstm::simulated {

constexpr int kDevices = 4;
constexpr size_t kMemoryBytes = size_t{1} << 30;  // per GPU

void SetSeed(uint64_t seed);

// Makes the next kernel or graph on the device fail with an illegal address.
void FailNextKernel(int device);
// Whether GPUs can access each other's memory. Default: true.
void LetPeers(bool can);
// Whether the host has memory to pin. Default: true.
void LetPin(bool can);
// While true, as at process exit, every call fails with cudaErrorCudartUnloading.
void LeaveDriver(bool gone);
// While true, no kernel starts, so that other work overlaps with it.
void HoldKernels(bool held);

// Total bytes of completed copies between host and devices.
size_t CopiedBytes();
// Nodes of the largest graph instantiated since the last call.
size_t LargestGraph();
// Runs all queued work that is not held.
void RunAll();

}  // namespace convlstm::simulated

#endif  // CONVLSTM_TEST_SIMT_RUNTIME_RUNTIME_H_
