#include "cuda/device/staging.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "core/error.h"

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
  void* data = nullptr;
  const cudaError_t status = cudaHostAlloc(&data, bytes, cudaHostAllocPortable);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error(ErrorCode::kOutOfMemory, device_.name() + ": out of memory when asked for " +
                                             std::to_string(bytes) +
                                             " bytes of pinned host memory");
  }
  device_.Check(status, "pinning memory");
  return {std::unique_ptr<char, Unpin>(static_cast<char*>(data)), bytes, nullptr};
}

void Staging::Give(Block block, std::unique_ptr<Event> event) {
  block.in_use_until = std::move(event);
  std::lock_guard lock(mutex_);
  blocks_.push_back(std::move(block));
}

void Staging::Empty() {
  device_.Use();
  std::lock_guard lock(mutex_);
  std::erase_if(blocks_, [](const Block& block) {
    return !block.in_use_until || block.in_use_until->Passed();
  });
}

}  // namespace convlstm::cuda
