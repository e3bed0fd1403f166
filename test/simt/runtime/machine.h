// State and scheduler of the simulated GPUs.
#ifndef CONVLSTM_TEST_SIMT_RUNTIME_MACHINE_H_
#define CONVLSTM_TEST_SIMT_RUNTIME_MACHINE_H_

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "simt/runtime/cuda_runtime.h"
#include "simt/runtime/runtime.h"

namespace convlstm::simulated {

using Body = std::function<void()>;

// One recording of an event.
struct Record {
  bool passed = false;
};

struct Operation {
  Body run;
  bool kernel = false;
  std::shared_ptr<Record> after;  // must have passed first; may be null
};

struct Stream {
  int device;
  std::deque<Operation> operations;
};

struct Event {
  int device;
  std::shared_ptr<Record> record;
};

struct Pool {
  int device;
  size_t used = 0, reserved = 0;
  std::set<int> readers;
};

struct GraphNode {
  size_t index;
  std::vector<size_t> after;
  Body body;
};
struct Graph {
  std::vector<std::unique_ptr<GraphNode>> nodes;
};
struct GraphExec {
  int device;
  std::vector<GraphNode> nodes;
};

struct Allocation {
  int device;
  size_t bytes;
  bool ready;  // allocated, in stream order
};

struct Device {
  Pool pool;
  cudaError_t fault = cudaSuccess;
  bool fails_next = false;
  std::map<const void*, int> shared_bytes;  // allowed per kernel
  std::set<const void*> loaded;             // kernels

  // Whether `bytes` are available outside the pool.
  bool HasRoom(size_t bytes) const { return bytes <= kMemoryBytes - pool.reserved; }
  // Loads a kernel, which stays loaded; false if memory is short.
  bool Load(const void* kernel);
};

// All state is guarded by the mutex. Kernels run on one dedicated thread, because the sanitizers
// track the stack from which fibers start.
struct Machine {
  std::mutex mutex;
  std::condition_variable work, progress;
  std::vector<const std::function<bool()>*> goals;  // of waiting threads
  std::vector<std::unique_ptr<Stream>> streams;
  std::array<Device, kDevices> devices;
  std::map<const char*, Allocation> memory;
  std::map<const char*, size_t> pinned;
  std::mt19937_64 random{1};
  bool peers = true, pins = true, held = false, gone = false;
  size_t copied = 0, ran = 0, largest_graph = 0;

  Machine();

  std::vector<Stream*> ReadyStreams() const;
  void WaitFor(std::unique_lock<std::mutex>& lock, const std::function<bool()>& goal);
  // Runs some of the ready work at random, as a GPU might at any time.
  void Chance(std::unique_lock<std::mutex>& lock);

 private:
  [[noreturn]] void Run();
};
Machine& TheMachine();

// The calling thread's device and last error.
inline thread_local int current = 0;
inline thread_local cudaError_t last_error = cudaSuccess;

// Records and returns the result of a call; prints `why`, a mistake of the caller, unless null.
cudaError_t Leave(cudaError_t error, const char* why = nullptr);

// The scope of a call to the runtime: locks the machine and runs some queued work at random.
struct Call {
  Machine& machine = TheMachine();
  std::unique_lock<std::mutex> lock{machine.mutex};
  Call() { machine.Chance(lock); }

  Device& device(int k) { return machine.devices[k]; }
  // The result of every call on a lost device, or without a driver.
  cudaError_t Fault(int k) {
    return Leave(machine.gone ? cudaErrorCudartUnloading : device(k).fault);
  }

  static void Push(Stream& stream, Operation operation) {
    stream.operations.push_back(std::move(operation));
  }
  // `run` is skipped on a lost device.
  void PushWork(Stream& stream, Body run, bool kernel = false);
};

// Whether a range of host memory is pinned.
bool IsPinned(Machine& machine, const void* data, size_t bytes);
// Whether a range is allocated and accessible from the device; if not, the device is lost.
bool Usable(Machine& machine, int device, const void* data, size_t bytes);

// Why a launch is invalid; null if it is valid.
const char* WhyNot(Device& device, const void* kernel, dim3 grid, dim3 block, size_t shared_bytes);
Body BodyOf(Device& device, const cudaKernelNodeParams& params);

}  // namespace convlstm::simulated

#endif  // CONVLSTM_TEST_SIMT_RUNTIME_MACHINE_H_
