#include "cuda/staging.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace convlstm::cuda {

Staging::Block Staging::Take(size_t bytes) {
  constexpr size_t kMinBytes = 4096;
  bytes = std::bit_ceil(std::max(bytes, kMinBytes));
  {
    std::lock_guard lock(mutex_);
    const auto found = std::find_if(blocks_.begin(), blocks_.end(), [bytes](const Block& block) {
      return block.bytes == bytes && (!block.in_use_until || block.in_use_until->Passed());
    });
    if (found != blocks_.end()) {
      Block block = std::move(*found);
      blocks_.erase(found);
      block.in_use_until = nullptr;
      return block;
    }
  }
  device_.Use();
  Block block;
  block.bytes = bytes;
  device_.Check(cudaHostAlloc(&block.data, bytes, cudaHostAllocPortable), "pinning memory");
  return block;
}

void Staging::Give(Block block, std::unique_ptr<Event> event) {
  block.in_use_until = std::move(event);
  std::lock_guard lock(mutex_);
  blocks_.push_back(std::move(block));
}

}  // namespace convlstm::cuda
