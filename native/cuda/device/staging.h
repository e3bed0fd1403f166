// Pinned host memory for copies to and from the device, which then overlap with computation.
#ifndef CONVLSTM_CUDA_DEVICE_STAGING_H_
#define CONVLSTM_CUDA_DEVICE_STAGING_H_

#include <memory>
#include <mutex>
#include <vector>

#include "cuda/device/device.h"

namespace convlstm::cuda {

class Staging {
 public:
  // Larger blocks are not worth pinning: cudaHostAlloc takes about a millisecond per 4 MiB.
  static constexpr size_t kMaxBytes = size_t{16} << 20;

  struct Unpin {
    void operator()(char* data) const { cudaFreeHost(data); }
  };
  struct Block {
    std::unique_ptr<char, Unpin> data;
    size_t bytes = 0;
    std::unique_ptr<Event> in_use_until;  // null: not in use
  };

  explicit Staging(Device& device) : device_(device) {}

  // Returns a block of at least `bytes`, at most kMaxBytes. All functions are thread-safe.
  Block Take(size_t bytes);
  // Returns a block, which may be taken again once `event` has passed; null: at once.
  void Give(Block block, std::unique_ptr<Event> event);
  // Unpins the blocks that are not in use.
  void Empty();

 private:
  Device& device_;
  std::mutex mutex_;
  std::vector<Block> blocks_;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_STAGING_H_
