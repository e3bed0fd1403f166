// One GPU: its memory, its stream, and what is made of the errors it reports.
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

// Never destroyed: JavaScript's handles may outlive everything.
class Device final : public Memory {
 public:
  // Throws Error(kDevice) where the device cannot be opened.
  explicit Device(int ordinal);

  int ordinal() const { return ordinal_; }
  const std::string& name() const { return name_; }  // "cuda:0"
  cudaStream_t stream() const { return stream_; }
  int multiprocessors() const { return multiprocessors_; }
  bool has_tensor_cores() const { return has_tensor_cores_; }
  bool has_wgmma() const { return has_wgmma_; }

  // Makes it the calling thread's device. Throws the fault that has befallen it, if any.
  void Use();

  // Throws Error(kOutOfMemory or kDevice) unless `status` is success; `what` says what was tried, a
  // kernel by its name. A fault that only a new process gets rid of is remembered.
  void Check(cudaError_t status, const char* what);
  // Makes a launch and checks it. On the queue's thread.
  template <typename Launch>
  void CheckLaunch(const char* kernel, const Launch& launch) {
    Remember(kernel);
    Check(WithRoom(launch), kernel);
  }

  // What call() returns, made once more where memory ran out, when the pool has given back what it
  // keeps: kernels that are loaded and graphs take memory beside it.
  template <typename Call>
  cudaError_t WithRoom(const Call& call) {
    const cudaError_t status = call();
    if (status != cudaErrorMemoryAllocation) return status;
    cudaGetLastError();
    Trim();
    return call();
  }

  // Lets a kernel have so much shared memory. On the queue's thread.
  void AllowShared(const void* kernel, int bytes);

  // The graphs made for it (graph.h). On the queue's thread.
  GraphCache& graphs() { return *graphs_; }

  // Blocks come from the device's pool in the order of stream(), or of another stream, behind which
  // stream() then has to wait; they go back in the order of stream().
  Buffer Allocate(size_t bytes) override { return AllocateOn(stream_, bytes); }
  Buffer AllocateOn(cudaStream_t stream, size_t bytes);
  template <typename T>
  Buffer AllocateArray(int64_t count) {
    return Allocate(static_cast<size_t>(count) * sizeof(T));
  }
  // Gives what the pool keeps for reuse back to the device.
  void Trim();
  // On any thread; zeros where the device does not answer.
  BufferStatistics Statistics() const;

  // Whether everything that was put on stream() is done.
  bool Idle();

  // Lets the other GPU read this one's memory; whether it can. On the queue's thread.
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
  // What was launched last, newest first: kernels fail after their launch, when others may have
  // followed.
  std::array<const char*, 4> last_kernels_ = {};
};

// A point in a stream.
class Event {
 public:
  Event(Device& device, cudaStream_t stream);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void Wait();  // on this thread
  bool Passed();
  cudaEvent_t get() const { return event_; }

 private:
  explicit Event(Device& device);

  Device& device_;
  cudaEvent_t event_ = nullptr;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_DEVICE_H_
