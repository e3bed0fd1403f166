#include "core/buffer.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/system.h"

#if !defined(_WIN32)
#include <sys/mman.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace convlstm {
namespace {

constexpr size_t kMaxCachedBytes = size_t{1} << 30;
constexpr size_t kMaxRequest = size_t{1} << 46;

// Sixteen sizes per power of two: at most 1/16 of a block is waste, and the frames of one network,
// which differ little, find each other's blocks.
size_t BlockBytes(size_t bytes) {
  const size_t needed = bytes + kBufferAlignment;
  const size_t step = std::max(kBufferAlignment, std::bit_floor(needed) / 16);
  return (needed + step - 1) / step * step;
}

// Large blocks come straight from the system: they go back to it whole, and one page fault brings
// 2 MiB. Returns null when there is no memory.
void* SystemAllocate(size_t bytes) {
#if !defined(_WIN32)
  if (bytes >= kHugePage) {
    const size_t padded = bytes + kHugePage;
    void* mapping =
        mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return nullptr;
    char* begin = static_cast<char*>(mapping);
    const size_t misaligned = reinterpret_cast<uintptr_t>(begin) % kHugePage;
    const size_t before = misaligned == 0 ? 0 : kHugePage - misaligned;
    if (before > 0) munmap(begin, before);
    if (before < kHugePage) munmap(begin + before + bytes, kHugePage - before);
    PreferHugePages(begin + before, bytes);
    return begin + before;
  }
#endif
  return ::operator new (bytes, std::align_val_t{kBufferAlignment}, std::nothrow);
}

void SystemFree(void* data, size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
#if !defined(_WIN32)
  if (bytes >= kHugePage) {
    munmap(data, bytes);
    return;
  }
#endif
  ::operator delete (data, std::align_val_t{kBufferAlignment});
}

class BlockCache {
 public:
  void* Take(size_t requested, size_t block_bytes) {
    std::lock_guard lock(mutex_);
    void* data = TakeFree(block_bytes);
    peak_live_bytes_ = std::max(peak_live_bytes_, live_bytes_ + block_bytes);
    if (!data) {
      // Blocks of sizes that are not asked for again must not pile up beside those that are: where
      // layers differ, a training step would leave more to reuse than it ever needs at once.
      const size_t most = peak_live_bytes_ + peak_live_bytes_ / 4;
      while (cached_bytes_ > 0 && live_bytes_ + block_bytes + cached_bytes_ > most) FreeOldest();
      // Past the limit the system would not refuse but kill the process.
      if (live_bytes_ + block_bytes + cached_bytes_ > memory_limit_) FreeAll();
      if (live_bytes_ + block_bytes <= memory_limit_) data = SystemAllocate(block_bytes);
      if (!data && cached_bytes_ > 0) {
        FreeAll();
        data = SystemAllocate(block_bytes);
      }
      if (!data) ThrowOutOfMemory(requested);
    }
    live_bytes_ += block_bytes;
    return data;
  }

  void Give(void* data, size_t block_bytes) {
    std::lock_guard lock(mutex_);
    live_bytes_ -= block_bytes;
    if (block_bytes > max_cached_bytes_) {
      SystemFree(data, block_bytes);
      return;
    }
    free_[block_bytes].push_back({data, next_age_++});
    cached_bytes_ += block_bytes;
    while (cached_bytes_ > max_cached_bytes_) FreeOldest();
  }

  void Empty() {
    std::lock_guard lock(mutex_);
    FreeAll();
    peak_live_bytes_ = live_bytes_;
  }

  BufferStatistics Statistics() {
    std::lock_guard lock(mutex_);
    return {live_bytes_, cached_bytes_};
  }

 private:
  struct Block {
    void* data;
    uint64_t age;
  };

  // The block that was given back last: the one most likely to be in the cache of the processor.
  void* TakeFree(size_t block_bytes) {
    const auto found = free_.find(block_bytes);
    if (found == free_.end() || found->second.empty()) return nullptr;
    void* data = found->second.back().data;
    found->second.pop_back();
    cached_bytes_ -= block_bytes;
    return data;
  }

  void FreeOldest() {
    auto oldest = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second.empty()) continue;
      if (oldest == free_.end() || it->second.front().age < oldest->second.front().age) oldest = it;
    }
    SystemFree(oldest->second.front().data, oldest->first);
    oldest->second.pop_front();
    cached_bytes_ -= oldest->first;
  }

  void FreeAll() {
    for (auto& [bytes, blocks] : free_) {
      for (const Block& block : blocks) SystemFree(block.data, bytes);
    }
    free_.clear();
    cached_bytes_ = 0;
  }

  [[noreturn]] void ThrowOutOfMemory(size_t requested) const {
    throw Error(ErrorCode::kOutOfMemory, "out of memory: asked for " + std::to_string(requested) +
                                             " bytes with " + std::to_string(live_bytes_) +
                                             " bytes live and a limit of " +
                                             std::to_string(memory_limit_) + " bytes");
  }

  const size_t memory_limit_ = MemoryLimit();
  const size_t max_cached_bytes_ = std::min(kMaxCachedBytes, memory_limit_ / 4);
  std::mutex mutex_;
  std::map<size_t, std::deque<Block>> free_;  // by exact size; the block given back last at the end
  size_t live_bytes_ = 0;
  size_t peak_live_bytes_ = 0;
  size_t cached_bytes_ = 0;
  uint64_t next_age_ = 0;
};

// Never destroyed: the queue's thread may hold buffers while the process exits.
BlockCache& Cache() {
  static BlockCache& cache = *std::make_unique<BlockCache>().release();
  return cache;
}

class Host final : public Memory {
 public:
  Buffer Allocate(size_t bytes) override {
    if (bytes > kMaxRequest) {
      throw Error(ErrorCode::kOutOfMemory,
                  "out of memory: asked for " + std::to_string(bytes) + " bytes");
    }
    const size_t block_bytes = BlockBytes(bytes);
    void* data = Cache().Take(bytes, block_bytes);
    // Reads of kBufferAlignment bytes past the end are allowed, and so cannot be caught.
    ASAN_UNPOISON_MEMORY_REGION(data, bytes + kBufferAlignment);
    return {data, bytes, block_bytes, *this};
  }

 private:
  void Release(void* data, size_t block_bytes) noexcept override {
    ASAN_POISON_MEMORY_REGION(data, block_bytes);
    Cache().Give(data, block_bytes);
  }
};

}  // namespace

Memory& HostMemory() {
  static Host& host = *std::make_unique<Host>().release();
  return host;
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      block_bytes_(std::exchange(other.block_bytes_, 0)),
      home_(std::exchange(other.home_, nullptr)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(block_bytes_, other.block_bytes_);
  std::swap(home_, other.home_);
  return *this;
}

Buffer::~Buffer() {
  if (data_) home_->Release(data_, block_bytes_);
}

BufferStatistics GetBufferStatistics() { return Cache().Statistics(); }

void EmptyBufferCache() {
  Cache().Empty();
#ifdef __GLIBC__
  malloc_trim(0);  // what lies between live blocks
#endif
}

}  // namespace convlstm
