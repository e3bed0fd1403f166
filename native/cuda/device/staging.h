// Pinned memory of the host, through which tensors go to the device and back: the copies then run
// beside everything else.
#ifndef CONVLSTM_CUDA_DEVICE_STAGING_H_
#define CONVLSTM_CUDA_DEVICE_STAGING_H_

#include <memory>
#include <mutex>
#include <vector>

#include "cuda/device/device.h"

namespace convlstm::cuda {

class Staging {
 public:
  // Above this pinning costs more than it brings: cudaHostAlloc takes about a millisecond per 4
  // MiB.
  static constexpr size_t kMaxBytes = size_t{16} << 20;

  struct Unpin {
    void operator()(char* data) const { cudaFreeHost(data); }
  };
  struct Block {
    std::unique_ptr<char, Unpin> data;
    size_t bytes = 0;
    std::unique_ptr<Event> in_use_until;  // null: free
  };

  explicit Staging(Device& device) : device_(device) {}

  // A block of at least `bytes`, at most kMaxBytes. Thread-safe, like the others.
  Block Take(size_t bytes);
  // When `event` has passed the block may be taken again; null: now.
  void Give(Block block, std::unique_ptr<Event> event);
  // Unpins what is free.
  void Empty();

 private:
  Device& device_;
  std::mutex mutex_;
  std::vector<Block> blocks_;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_STAGING_H_
