// GPUs that the host simulates: the CUDA engine runs on them as on a GPU, its host code and its
// kernels, and what it leaves to chance happens in any order.
//
// What makes mistakes show:
//   a missing wait        nothing on a stream runs before somebody waits for it or chance has it
//                         run, and streams take turns by chance; so do the nodes of a graph, as far
//                         as its edges allow
//   pinned memory given   is read and written when the copy runs, other memory of the host when it
//   away too early        is asked for
//   memory of the device  is NaN from where it is allocated, in the stream's order, and the heap's
//                         again from where it is freed: AddressSanitizer sees kernels that use it;
//                         copies beside it are a fault
//   another device's      a stream, an event or a launch on the wrong device, a copy that nobody
//   handles               allowed, a kernel with more shared memory than was asked for: an error
#ifndef CONVLSTM_TEST_SIMT_RUNTIME_RUNTIME_H_
#define CONVLSTM_TEST_SIMT_RUNTIME_RUNTIME_H_

#include <cstddef>
#include <cstdint>

namespace convlstm::simulated {

constexpr int kDevices = 4;
constexpr size_t kMemoryBytes = size_t{1} << 30;  // of each

void SetSeed(uint64_t seed);

// The next kernel that runs there, or the next graph, reads memory that is nobody's.
void FailNextKernel(int device);
// Whether GPUs can read each other's memory: at first they can.
void LetPeers(bool can);
// Whether the host has memory to pin.
void LetPin(bool can);
// While it is gone, as when a process ends, every call says so and does nothing.
void LeaveDriver(bool gone);
// While held, no kernel begins: what is done then runs beside it.
void HoldKernels(bool held);

// Of copies between host and devices that have run.
size_t CopiedBytes();
// Nodes of the largest graph that was made since this was last asked.
size_t LargestGraph();
// All that is queued, as far as it is not held.
void RunAll();

}  // namespace convlstm::simulated

#endif  // CONVLSTM_TEST_SIMT_RUNTIME_RUNTIME_H_
