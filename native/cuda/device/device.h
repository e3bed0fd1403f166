// One GPU: its memory, its stream and its error handling.
#ifndef CONVLSTM_CUDA_DEVICE_DEVICE_H_
#define CONVLSTM_CUDA_DEVICE_DEVICE_H_

#include <cuda_runtime.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "core/buffer.h"

namespace convlstm::cuda {

class GraphCache;

// Never destroyed, because JavaScript handles may outlive everything else.
class Device final : public Memory {
 public:
  // Throws Error(kDevice) if the device cannot be opened.
  explicit Device(int ordinal);

  int ordinal() const { return ordinal_; }
  const std::string& name() const { return name_; }  // "cuda:0"
  cudaStream_t stream() const { return stream_; }
  int multiprocessors() const { return multiprocessors_; }
  bool has_tensor_cores() const { return has_tensor_cores_; }
  bool has_wgmma() const { return has_wgmma_; }

  // Selects the device on the calling thread. Throws the device's fault, if it has one.
  void Use();

  // Throws Error(kOutOfMemory or kDevice) unless `status` is success. `what` names the attempted
  // operation or kernel. A fault that only a new process can clear is remembered.
  void Check(cudaError_t status, const char* what);
  // Launches a kernel and checks the result. Queue thread only.
  template <typename Launch>
  void CheckLaunch(const char* kernel, const Launch& launch) {
    Remember(kernel);
    Check(WithRoom(launch), kernel);
  }

  // Returns call(), repeated once after trimming the pool if memory ran out: loaded kernels and
  // graphs take memory outside the pool.
  template <typename Call>
  cudaError_t WithRoom(const Call& call) {
    const cudaError_t status = call();
    if (status != cudaErrorMemoryAllocation) return status;
    cudaGetLastError();
    Trim();
    return call();
  }

  // Allows a kernel `bytes` of dynamic shared memory. Queue thread only.
  void AllowShared(const void* kernel, int bytes);

  // The cached graphs (graph.h). Queue thread only.
  GraphCache& graphs() { return *graphs_; }

  // Allocates from the device's pool, in the order of stream() or of another stream, for which
  // stream() must then wait. Blocks are freed in the order of stream().
  Buffer Allocate(size_t bytes) override { return AllocateOn(stream_, bytes); }
  Buffer AllocateOn(cudaStream_t stream, size_t bytes);
  template <typename T>
  Buffer AllocateArray(int64_t count) {
    return Allocate(static_cast<size_t>(count) * sizeof(T));
  }
  // Returns the pool's unused memory to the device. Waits for stream().
  void Trim();
  // Any thread. Zeros if the device does not answer.
  BufferStatistics Statistics() const;

  // Whether all work on stream() is done.
  bool Idle();

  // Grants `reader` access to this device's memory; false if it cannot have it. Queue thread only.
  bool LetRead(const Device& reader);

 private:
  void Release(void* data, size_t block_bytes) noexcept override;
  void Remember(const char* kernel);
  [[noreturn]] void ThrowOutOfMemory(size_t bytes);

  const int ordinal_;
  const std::string name_;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  int multiprocessors_ = 0;
  bool has_tensor_cores_ = false;
  bool has_wgmma_ = false;
  std::set<const void*> allowed_;
  const std::shared_ptr<GraphCache> graphs_;
  std::map<int, bool> readers_;

  std::mutex mutex_;
  std::string fault_;
  // The most recent launches, newest first: a kernel fails after its launch, and others may have
  // been launched since.
  std::array<const char*, 4> last_kernels_ = {};
};

// A point in a stream.
class Event {
 public:
  Event(Device& device, cudaStream_t stream);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void Wait();  // blocks the calling thread
  bool Passed();
  cudaEvent_t get() const { return event_; }

 private:
  explicit Event(Device& device);

  Device& device_;
  cudaEvent_t event_ = nullptr;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_DEVICE_H_
