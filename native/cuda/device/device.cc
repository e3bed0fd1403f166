#include "cuda/device/device.h"

#include <algorithm>
#include <cstdint>

#include "core/error.h"
#include "cuda/architectures.h"
#include "cuda/device/graph.h"

namespace convlstm::cuda {
namespace {

// The device selected on this thread, -1 for none. The runtime would report 0 instead of none, and
// selecting that would open a GPU that nobody uses.
thread_local int selected = -1;

cudaError_t Select(int ordinal) {
  const cudaError_t status = cudaSetDevice(ordinal);
  if (status == cudaSuccess) selected = ordinal;
  return status;
}

}  // namespace

Device::Device(int ordinal)
    : ordinal_(ordinal),
      name_("cuda:" + std::to_string(ordinal)),
      graphs_(std::make_shared<GraphCache>()) {
  Use();
  cudaDeviceProp properties;
  Check(cudaGetDeviceProperties(&properties, ordinal), "reading its properties");
  multiprocessors_ = properties.multiProcessorCount;
  const Architecture compiled =
      ArchitectureFor(CONVLSTM_CUDA_ARCHITECTURES, properties.major, properties.minor);
  has_tensor_cores_ = compiled.has_tensor_cores();
  has_wgmma_ = compiled.has_wgmma();
  Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  Check(cudaDeviceGetDefaultMemPool(&pool_, ordinal), "opening its memory pool");
  // Freed blocks stay in the pool.
  uint64_t keep = UINT64_MAX;
  Check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep),
        "configuring its memory pool");
}

void Device::Use() {
  {
    std::lock_guard lock(mutex_);
    if (!fault_.empty()) {
      throw Error(ErrorCode::kDevice, fault_ + "; reopen the device in a new process");
    }
  }
  Check(Select(ordinal_), "selecting it");
}

void Device::Check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears a recoverable error
  if (status == cudaErrorMemoryAllocation) {
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw Error(ErrorCode::kOutOfMemory, name_ + ": out of memory " + what + ", " +
                                             std::to_string(free) + " of " + std::to_string(total) +
                                             " bytes are free");
  }
  std::string message =
      name_ + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ") at " + what;
  std::lock_guard lock(mutex_);
  const cudaError_t now = stream_ == nullptr ? cudaSuccess : cudaStreamQuery(stream_);
  if (now != cudaSuccess && now != cudaErrorNotReady && fault_.empty()) {
    message += "; launched last:";
    for (const char* kernel : last_kernels_) {
      if (kernel != nullptr) message += std::string(" ") + kernel;
    }
    fault_ = message;
  }
  throw Error(ErrorCode::kDevice, message);
}

void Device::Remember(const char* kernel) {
  std::lock_guard lock(mutex_);
  std::rotate(last_kernels_.begin(), last_kernels_.end() - 1, last_kernels_.end());
  last_kernels_[0] = kernel;
}

void Device::AllowShared(const void* kernel, int bytes) {
  if (allowed_.contains(kernel)) return;
  Check(WithRoom([&] {
          return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
        }),
        "setting a kernel's shared memory");
  allowed_.insert(kernel);
}

Buffer Device::AllocateOn(cudaStream_t stream, size_t bytes) {
  if (bytes == 0) return {};
  Use();
  void* data = nullptr;
  // WithRoom: the pool's unused memory may be fragmented.
  const cudaError_t status = WithRoom([&] { return cudaMallocAsync(&data, bytes, stream); });
  if (status == cudaErrorMemoryAllocation) ThrowOutOfMemory(bytes);
  Check(status, "allocating memory");
  return {data, bytes, bytes, *this};
}

void Device::Trim() {
  Use();
  Check(cudaStreamSynchronize(stream_), "waiting for its stream");
  Check(cudaMemPoolTrimTo(pool_, 0), "trimming its memory pool");
}

BufferStatistics Device::Statistics() const {
  uint64_t used = 0, reserved = 0;
  if (cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &used) != cudaSuccess ||
      cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved) != cudaSuccess) {
    return {0, 0};
  }
  return {used, reserved - std::min(used, reserved)};
}

bool Device::Idle() {
  const cudaError_t status = cudaStreamQuery(stream_);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  Check(status, "querying its stream");
  return true;
}

bool Device::LetRead(const Device& reader) {
  const auto [entry, is_new] = readers_.try_emplace(reader.ordinal(), false);
  if (is_new) {
    int can = 0;
    cudaMemAccessDesc access = {};
    access.location.type = cudaMemLocationTypeDevice;
    access.location.id = reader.ordinal();
    access.flags = cudaMemAccessFlagsProtReadWrite;
    entry->second = cudaDeviceCanAccessPeer(&can, reader.ordinal(), ordinal_) == cudaSuccess &&
                    can != 0 && cudaMemPoolSetAccess(pool_, &access, 1) == cudaSuccess;
    cudaGetLastError();  // on refusal the caller copies through the host
  }
  return entry->second;
}

void Device::ThrowOutOfMemory(size_t bytes) {
  std::string what = "when asked for ";
  what += std::to_string(bytes) + " bytes";
  Check(cudaErrorMemoryAllocation, what.c_str());
  throw Error(ErrorCode::kInternal, "unreachable");
}

// Any thread. Readers of the block are ordered before it by the stream, or have finished. Errors
// mean a lost device or a process that is exiting, and are ignored.
void Device::Release(void* data, size_t) noexcept {
  const int before = selected;
  if (Select(ordinal_) != cudaSuccess) return;
  cudaFreeAsync(data, stream_);
  if (before >= 0 && before != ordinal_) Select(before);
}

Event::Event(Device& device) : device_(device) {
  device.Check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "creating an event");
}
Event::Event(Device& device, cudaStream_t stream) : Event(device) {
  device.Check(cudaEventRecord(event_, stream), "recording an event");
}

Event::~Event() { cudaEventDestroy(event_); }

void Event::Wait() { device_.Check(cudaEventSynchronize(event_), "waiting for its results"); }

bool Event::Passed() { return cudaEventQuery(event_) == cudaSuccess; }

}  // namespace convlstm::cuda
