// The simulated GPUs' state, and what runs on them when.
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

// An event as it was recorded once.
struct Record {
  bool passed = false;
};

struct Operation {
  Body run;
  bool kernel = false;
  std::shared_ptr<Record> after;  // has to have passed, or null
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
  bool there;  // in the order of its stream
};

struct Device {
  Pool pool;
  cudaError_t fault = cudaSuccess;
  bool fails_next = false;
  std::map<const void*, int> shared_bytes;  // that kernels may have
  std::set<const void*> loaded;             // kernels

  // Whether there is so much memory beside the pool's.
  bool HasRoom(size_t bytes) const { return bytes <= kMemoryBytes - pool.reserved; }
  // The same for a kernel, which stays.
  bool Load(const void* kernel);
};

// Everything happens under its mutex. Kernels run on a thread of their own, because the sanitizers
// know the stack that their fibers come from.
struct Machine {
  std::mutex mutex;
  std::condition_variable work, progress;
  std::vector<const std::function<bool()>*> goals;  // of those who wait
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
  // Has some of what is ready run, as it may at any time.
  void Chance(std::unique_lock<std::mutex>& lock);

 private:
  [[noreturn]] void Run();
};
Machine& TheMachine();

// The thread's.
inline thread_local int current = 0;
inline thread_local cudaError_t last_error = cudaSuccess;

// What a call returns; `why`, if any, is a mistake of the caller and printed.
cudaError_t Leave(cudaError_t error, const char* why = nullptr);

// A call to the runtime: holds the machine, and has chance run some of what is queued.
struct Call {
  Machine& machine = TheMachine();
  std::unique_lock<std::mutex> lock{machine.mutex};
  Call() { machine.Chance(lock); }

  Device& device(int k) { return machine.devices[k]; }
  // What the device says to every call once it is lost, or the driver is gone.
  cudaError_t Fault(int k) {
    return Leave(machine.gone ? cudaErrorCudartUnloading : device(k).fault);
  }

  static void Push(Stream& stream, Operation operation) {
    stream.operations.push_back(std::move(operation));
  }
  // `run` has no effect on a device that is lost.
  void PushWork(Stream& stream, Body run, bool kernel = false);
};

// Whether so many bytes of the host are pinned.
bool IsPinned(Machine& machine, const void* data, size_t bytes);
// Whether so many bytes are there and may be used from the device, which else is lost.
bool Usable(Machine& machine, int device, const void* data, size_t bytes);

// What is wrong with a launch; null: nothing.
const char* WhyNot(Device& device, const void* kernel, dim3 grid, dim3 block, size_t shared_bytes);
Body BodyOf(Device& device, const cudaKernelNodeParams& params);

}  // namespace convlstm::simulated

#endif  // CONVLSTM_TEST_SIMT_RUNTIME_MACHINE_H_
