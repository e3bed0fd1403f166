#include "simt/runtime/runtime.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "simt/runtime/cuda_runtime.h"

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

namespace {

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
  bool peers = true, pins = true, held = false;
  size_t copied = 0, ran = 0;

  Machine() {
    for (int k = 0; k < kDevices; ++k) devices[k].pool.device = k;
    std::thread([this] { Run(); }).detach();
  }

  bool Ready(const Stream& stream) const {
    if (stream.operations.empty()) return false;
    const Operation& next = stream.operations.front();
    return !(next.kernel && held) && (next.after == nullptr || next.after->passed);
  }
  std::vector<Stream*> ReadyStreams() const {
    std::vector<Stream*> ready;
    for (const std::unique_ptr<Stream>& stream : streams) {
      if (Ready(*stream)) ready.push_back(stream.get());
    }
    return ready;
  }

  void Run() {
    std::unique_lock lock(mutex);
    for (;;) {
      const auto unmet = [](const std::function<bool()>* goal) { return !(*goal)(); };
      std::vector<Stream*> ready;
      work.wait(lock, [&] {
        if (std::none_of(goals.begin(), goals.end(), unmet)) return false;
        ready = ReadyStreams();
        if (ready.empty() && !held) {
          std::fputs("simulated GPU: somebody waits for what never comes\n", stderr);
          std::abort();
        }
        return !ready.empty();
      });
      Stream& stream = *ready[random() % ready.size()];
      const Operation operation = std::move(stream.operations.front());
      stream.operations.pop_front();
      operation.run();
      ++ran;
      progress.notify_all();
    }
  }

  void WaitFor(std::unique_lock<std::mutex>& lock, const std::function<bool()>& goal) {
    goals.push_back(&goal);
    while (!goal()) {
      work.notify_all();
      progress.wait(lock);
    }
    goals.erase(std::find(goals.begin(), goals.end(), &goal));
  }
  // Has some of what is ready run, as it may at any time.
  void Chance(std::unique_lock<std::mutex>& lock) {
    const size_t enough = ran + (random() % 3 == 0 ? random() % 4 : 0);
    WaitFor(lock, [this, enough] { return ran >= enough || ReadyStreams().empty(); });
  }
};

Machine& TheMachine() {
  static Machine& machine = *std::make_unique<Machine>().release();
  return machine;
}

thread_local int current = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t Leave(cudaError_t error, const char* why = nullptr) {
  if (error != cudaSuccess) last_error = error;
  if (why != nullptr) std::fprintf(stderr, "simulated GPU: %s\n", why);
  return error;
}

// A call to the runtime: holds the machine, and has chance run some of what is queued.
struct Call {
  Machine& machine = TheMachine();
  std::unique_lock<std::mutex> lock{machine.mutex};
  Call() { machine.Chance(lock); }

  Device& device(int k) { return machine.devices[k]; }
  // What the device says to every call once it is lost.
  cudaError_t Fault(int k) { return Leave(device(k).fault); }

  void Push(Stream& stream, Operation operation) {
    stream.operations.push_back(std::move(operation));
  }
  // `run` has no effect on a device that is lost.
  void PushWork(Stream& stream, Body run, bool kernel = false) {
    const int k = stream.device;
    Push(stream, {[&device = machine.devices[k], run = std::move(run), kernel] {
                    if (device.fault != cudaSuccess) return;
                    if (kernel && std::exchange(device.fails_next, false)) {
                      device.fault = cudaErrorIllegalAddress;
                      return;
                    }
                    run();
                  },
                  kernel, nullptr});
  }
};

// Whether `bytes` from `data` on lie in one allocation that is there; its device.
const Allocation* Find(Machine& machine, const void* data, size_t bytes) {
  const auto* begin = static_cast<const char*>(data);
  auto found = machine.memory.upper_bound(begin);
  if (found == machine.memory.begin()) return nullptr;
  --found;
  const auto& [base, allocation] = *found;
  return begin + bytes <= base + allocation.bytes ? &allocation : nullptr;
}
bool IsPinned(Machine& machine, const void* data, size_t bytes) {
  const auto* begin = static_cast<const char*>(data);
  auto found = machine.pinned.upper_bound(begin);
  if (found == machine.pinned.begin()) return false;
  --found;
  return begin + bytes <= found->first + found->second;
}

// A fault of the device unless the bytes are there and may be used from it.
bool Usable(Machine& machine, int device, const void* data, size_t bytes) {
  const Allocation* const found = Find(machine, data, bytes);
  const auto allowed = [&] {
    return found->device == device || machine.devices[found->device].pool.readers.contains(device);
  };
  if (found != nullptr && found->there && allowed()) return true;
  machine.devices[device].fault = cudaErrorIllegalAddress;
  std::fputs("simulated GPU: a copy or a clearing of memory that is not there\n", stderr);
  return false;
}

// What is wrong with a launch; null: nothing.
const char* WhyNot(Device& device, const void* kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  constexpr size_t kUnasked = size_t{48} << 10, kMost = size_t{227} << 10;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535) {
    return "a grid that no device takes";
  }
  if (block.x * block.y * block.z == 0 || block.x * block.y * block.z > 1024) {
    return "a block that no device takes";
  }
  const auto allowed = device.shared_bytes.find(kernel);
  const size_t most = allowed == device.shared_bytes.end() ? kUnasked : allowed->second;
  if (shared_bytes > std::max(most, kUnasked) || shared_bytes > kMost) {
    return "more shared memory than was asked for";
  }
  return nullptr;
}

// One that a kernel's mistake ends is a fault of the device.
void RunKernel(Device& device, dim3 grid, dim3 block, size_t shared_bytes, const Body& body) {
  try {
    simt::Run(grid, block, shared_bytes, body);
  } catch (const simt::Error& error) {
    std::fprintf(stderr, "simulated GPU: %s\n", error.what());
    device.fault = cudaErrorLaunchFailure;
  }
}

Body BodyOf(Device& device, const cudaKernelNodeParams& params) {
  return [&device, grid = params.gridDim, block = params.blockDim, bytes = params.sharedMemBytes,
          body = simt::BodyOf(params.func, params.kernelParams)] {
    RunKernel(device, grid, block, bytes, body);
  };
}

}  // namespace

cudaError_t Launch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, Stream* stream,
                   Body body) {
  Call call;
  if (stream == nullptr) return Leave(cudaErrorInvalidResourceHandle, "the default stream is used");
  if (stream->device != current) {
    return Leave(cudaErrorInvalidResourceHandle, "a launch on a stream of another device");
  }
  Device& device = call.device(current);
  if (device.fault != cudaSuccess) return call.Fault(current);
  if (const char* why = WhyNot(device, kernel, grid, block, shared_bytes)) {
    return Leave(cudaErrorInvalidValue, why);
  }
  call.PushWork(
      *stream,
      [&device, grid, block, shared_bytes, body = std::move(body)] {
        RunKernel(device, grid, block, shared_bytes, body);
      },
      true);
  return cudaSuccess;
}

void SetSeed(uint64_t seed) { Call().machine.random.seed(seed); }
void FailNextKernel(int device) { Call().device(device).fails_next = true; }
void LetPeers(bool can) { Call().machine.peers = can; }
void LetPin(bool can) { Call().machine.pins = can; }
void HoldKernels(bool held) {
  Call call;
  call.machine.held = held;
  call.machine.work.notify_all();
}
size_t CopiedBytes() { return Call().machine.copied; }
void RunAll() {
  Call call;
  Machine& machine = call.machine;
  machine.WaitFor(call.lock, [&machine] { return machine.ReadyStreams().empty(); });
}

}  // namespace convlstm::simulated

using namespace convlstm::simulated;  // NOLINT(google-build-using-namespace): it is its own

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
  }
  return "an unknown error";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= kDevices) return Leave(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "simulated GPU");
  properties->totalGlobalMem = kMemoryBytes;
  properties->major = CONVLSTM_CUDA_ARCH / 100;
  properties->minor = CONVLSTM_CUDA_ARCH % 100 / 10;
  properties->multiProcessorCount = 2;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= kDevices) return Leave(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Call call;
  *total = kMemoryBytes;
  *free = kMemoryBytes - call.device(current).pool.reserved;
  return call.Fault(current);
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  *can = Call().machine.peers && device != peer;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  Call call;
  if (flags != cudaStreamNonBlocking) {
    return Leave(cudaErrorInvalidValue, "a stream that waits for the default stream");
  }
  *stream = call.machine.streams.emplace_back(std::make_unique<Stream>()).get();
  (*stream)->device = current;
  return call.Fault(current);
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Call call;
  if (call.device(stream->device).fault != cudaSuccess) return call.Fault(stream->device);
  return stream->operations.empty() ? cudaSuccess : Leave(cudaErrorNotReady);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Call call;
  call.machine.WaitFor(call.lock, [stream] { return stream->operations.empty(); });
  return call.Fault(stream->device);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Call call;
  if (event->record != nullptr) call.Push(*stream, {[] {}, false, event->record});
  return call.Fault(stream->device);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  Call call;
  *event = std::make_unique<Event>(Event{current, nullptr}).release();
  return call.Fault(current);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Call call;
  if (event->device != stream->device) {
    return Leave(cudaErrorInvalidResourceHandle, "an event on a stream of another device");
  }
  event->record = std::make_shared<Record>();
  call.Push(*stream, {[record = event->record] { record->passed = true; }, false, nullptr});
  return call.Fault(stream->device);
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  Call call;
  if (call.device(event->device).fault != cudaSuccess) return call.Fault(event->device);
  const bool passed = event->record == nullptr || event->record->passed;
  return passed ? cudaSuccess : Leave(cudaErrorNotReady);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Call call;
  if (const std::shared_ptr<Record> record = event->record) {
    call.machine.WaitFor(call.lock, [&record] { return record->passed; });
  }
  return call.Fault(event->device);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Call call;
  const std::unique_ptr<Event> destroyed(event);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned) {
  Call call;
  if (!call.machine.pins) return Leave(cudaErrorMemoryAllocation);
  *data = std::malloc(bytes);
  call.machine.pinned[static_cast<char*>(*data)] = bytes;
  return call.Fault(current);
}
cudaError_t cudaFreeHost(void* data) {
  Call call;
  call.machine.pinned.erase(static_cast<char*>(data));
  std::free(data);
  return call.Fault(current);
}

cudaError_t cudaMallocAsync(void** data, size_t bytes, cudaStream_t stream) {
  Call call;
  Device& device = call.device(stream->device);
  if (device.fault != cudaSuccess) return call.Fault(stream->device);
  if (bytes > kMemoryBytes - device.pool.used) return Leave(cudaErrorMemoryAllocation);
  device.pool.used += bytes;
  device.pool.reserved = std::max(device.pool.reserved, device.pool.used);
  constexpr size_t kAlignment = 256;
  if (posix_memalign(data, kAlignment, bytes) != 0) std::abort();
  auto* const begin = static_cast<char*>(*data);
  call.machine.memory[begin] = {stream->device, bytes, false};
  call.Push(*stream, {[&machine = call.machine, begin, bytes] {
                        std::memset(begin, 0xff, bytes);  // NaN
                        machine.memory.at(begin).there = true;
                      },
                      false, nullptr});
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  Call call;
  auto* const begin = static_cast<char*>(data);
  const auto found = call.machine.memory.find(begin);
  if (found == call.machine.memory.end()) {
    return Leave(cudaErrorInvalidValue, "memory is freed that is nobody's");
  }
  call.device(found->second.device).pool.used -= found->second.bytes;
  call.Push(*stream, {[&machine = call.machine, begin] {
                        const auto freed = machine.memory.find(begin);
                        std::memset(begin, 0xff, freed->second.bytes);
                        machine.memory.erase(freed);
                        std::free(begin);
                      },
                      false, nullptr});
  return call.Fault(stream->device);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  Call call;
  Machine& machine = call.machine;
  const int device = stream->device;
  if (device != current) {
    return Leave(cudaErrorInvalidResourceHandle, "a copy on a stream of another device");
  }
  const void* const host = kind == cudaMemcpyDeviceToHost ? to : from;
  const bool pinned = kind == cudaMemcpyDeviceToDevice || IsPinned(machine, host, bytes);
  std::vector<char> now;
  if (kind == cudaMemcpyHostToDevice && !pinned) {
    now.assign(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  }
  call.PushWork(*stream, [&machine, device, to, from, bytes, kind, now = std::move(now)] {
    if (kind != cudaMemcpyDeviceToHost && !Usable(machine, device, to, bytes)) return;
    if (kind != cudaMemcpyHostToDevice && !Usable(machine, device, from, bytes)) return;
    std::memcpy(to, now.empty() ? from : now.data(), bytes);
    if (kind != cudaMemcpyDeviceToDevice) machine.copied += bytes;
  });
  if (kind == cudaMemcpyDeviceToHost && !pinned) {
    machine.WaitFor(call.lock, [stream] { return stream->operations.empty(); });
  }
  return call.Fault(device);
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  Call call;
  call.PushWork(*stream, [&machine = call.machine, device = stream->device, to, value, bytes] {
    if (Usable(machine, device, to, bytes)) std::memset(to, value, bytes);
  });
  return call.Fault(stream->device);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  Call call;
  *pool = &call.device(device).pool;
  return call.Fault(device);
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void*) {
  Call call;
  if (attribute != cudaMemPoolAttrReleaseThreshold) return Leave(cudaErrorInvalidValue);
  return call.Fault(pool->device);
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  Call call;
  *static_cast<uint64_t*>(value) =
      attribute == cudaMemPoolAttrUsedMemCurrent ? pool->used : pool->reserved;
  return call.Fault(pool->device);
}
cudaError_t cudaMemPoolSetAccess(cudaMemPool_t pool, const cudaMemAccessDesc* access,
                                 size_t count) {
  Call call;
  for (size_t k = 0; k < count; ++k) pool->readers.insert(access[k].location.id);
  return call.Fault(pool->device);
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes) {
  Call call;
  pool->reserved = std::max(bytes, pool->used);
  return call.Fault(pool->device);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
  Call call;
  call.device(current).shared_bytes[kernel] = value;
  return call.Fault(current);
}
cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments,
                             size_t shared_bytes, cudaStream_t stream) {
  return Launch(kernel, grid, block, shared_bytes, stream,
                convlstm::simt::BodyOf(kernel, arguments));
}

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
  Call call;
  *graph = std::make_unique<Graph>().release();
  return call.Fault(current);
}
cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* after, size_t count,
                                   const cudaKernelNodeParams* params) {
  Call call;
  Device& device = call.device(current);
  if (const char* why =
          WhyNot(device, params->func, params->gridDim, params->blockDim, params->sharedMemBytes)) {
    return Leave(cudaErrorInvalidValue, why);
  }
  auto added = std::make_unique<GraphNode>();
  added->index = graph->nodes.size();
  for (size_t k = 0; k < count; ++k) added->after.push_back(after[k]->index);
  added->body = BodyOf(device, *params);
  *node = graph->nodes.emplace_back(std::move(added)).get();
  return call.Fault(current);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  Call call;
  auto made = std::make_unique<GraphExec>();
  made->device = current;
  for (const std::unique_ptr<GraphNode>& node : graph->nodes) made->nodes.push_back(*node);
  *exec = made.release();
  return call.Fault(current);
}
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* params) {
  Call call;
  exec->nodes[node->index].body = BodyOf(call.device(exec->device), *params);
  return call.Fault(exec->device);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  Call call;
  if (stream->device != exec->device || current != exec->device) {
    return Leave(cudaErrorInvalidResourceHandle, "a graph on a stream of another device");
  }
  Machine& machine = call.machine;
  call.PushWork(
      *stream,
      [&machine, nodes = exec->nodes] {
        std::vector<bool> done(nodes.size());
        for (size_t k = 0; k < nodes.size(); ++k) {
          std::vector<const GraphNode*> ready;
          for (const GraphNode& node : nodes) {
            const auto has_run = [&](size_t before) { return done[before]; };
            if (!done[node.index] && std::all_of(node.after.begin(), node.after.end(), has_run)) {
              ready.push_back(&node);
            }
          }
          const GraphNode& next = *ready[machine.random() % ready.size()];
          next.body();
          done[next.index] = true;
        }
      },
      true);
  return call.Fault(exec->device);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const Call call;
  const std::unique_ptr<GraphExec> destroyed(exec);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Call call;
  const std::unique_ptr<Graph> destroyed(graph);
  return cudaSuccess;
}
