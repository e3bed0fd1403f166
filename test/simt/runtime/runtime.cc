// Implements cuda_runtime.h.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "simt/runtime/cuda_runtime.h"
#include "simt/runtime/machine.h"

using namespace convlstm::simulated;  // NOLINT(google-build-using-namespace): its own namespace

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorCudartUnloading:
      return "cudaErrorCudartUnloading";
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
  if (TheMachine().gone) return Leave(cudaErrorCudartUnloading);
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
  if (call.Fault(stream->device) != cudaSuccess) return call.Fault(stream->device);
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
  if (call.Fault(event->device) != cudaSuccess) return call.Fault(event->device);
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
  if (call.Fault(stream->device) != cudaSuccess) return call.Fault(stream->device);
  if (bytes > kMemoryBytes - device.pool.used) return Leave(cudaErrorMemoryAllocation);
  device.pool.used += bytes;
  device.pool.reserved = std::max(device.pool.reserved, device.pool.used);
  constexpr size_t kAlignment = 256;
  if (posix_memalign(data, kAlignment, bytes) != 0) std::abort();
  auto* const begin = static_cast<char*>(*data);
  call.machine.memory[begin] = {stream->device, bytes, false};
  call.Push(*stream, {[&machine = call.machine, begin, bytes] {
                        std::memset(begin, 0xff, bytes);  // NaN
                        machine.memory.at(begin).ready = true;
                      },
                      false, nullptr});
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* data, cudaStream_t stream) {
  Call call;
  auto* const begin = static_cast<char*>(data);
  const auto found = call.machine.memory.find(begin);
  if (found == call.machine.memory.end()) {
    return Leave(cudaErrorInvalidValue, "freed memory was not allocated");
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
  if (!call.device(current).Load(kernel)) return Leave(cudaErrorMemoryAllocation);
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
  if (!device.Load(params->func)) return Leave(cudaErrorMemoryAllocation);
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
  constexpr size_t kNodeBytes = 4096;
  if (!call.device(current).HasRoom(kNodeBytes * graph->nodes.size())) {
    return Leave(cudaErrorMemoryAllocation);
  }
  call.machine.largest_graph = std::max(call.machine.largest_graph, graph->nodes.size());
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
