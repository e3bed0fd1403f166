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
#include "core/free_ranges.h"
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

// Large blocks are cut from mapped pages; 64 KiB is a multiple of every system's page size.
#if defined(_WIN32)
constexpr size_t kLargeBlock = SIZE_MAX;
#else
constexpr size_t kLargeBlock = size_t{512} << 10;
#endif
constexpr size_t kLargeStep = size_t{64} << 10;

size_t RoundUp(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

// Small blocks have sixteen sizes per power of two: at most 1/16 of a block is wasted, and frames
// of one network, which differ little in size, reuse each other's blocks.
size_t BlockBytes(size_t bytes) {
  const size_t needed = bytes + kBufferAlignment;
  if (needed >= kLargeBlock) return RoundUp(needed, kLargeStep);
  return RoundUp(needed, std::max(kBufferAlignment, std::bit_floor(needed) / 16));
}

#if !defined(_WIN32)
// Fresh memory aligned to 2 MiB; `bytes` is a multiple of 2 MiB. Null when out of memory.
char* Map(size_t bytes) {
  const auto map = [](size_t size) {
    void* const data =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? nullptr : static_cast<char*>(data);
  };
  const auto misaligned = [](const char* data) {
    return reinterpret_cast<uintptr_t>(data) % kHugePage;
  };
  char* data = map(bytes);
  if (data != nullptr && misaligned(data) != 0) {
    munmap(data, bytes);
    data = map(bytes + kHugePage);
    if (data != nullptr) {
      const size_t before = kHugePage - misaligned(data);
      munmap(data, before);
      data += before;
      if (before < kHugePage) munmap(data + bytes, kHugePage - before);
    }
  }
  return data;
}

void Unmap(const FreeRanges::Range& range) {
  ASAN_UNPOISON_MEMORY_REGION(range.begin, range.bytes);
  munmap(range.begin, range.bytes);
}
#else
char* Map(size_t) { return nullptr; }
void Unmap(const FreeRanges::Range&) {}
#endif

void* NewBlock(size_t bytes) {
  return ::operator new (bytes, std::align_val_t{kBufferAlignment}, std::nothrow);
}

void DeleteBlock(void* data, size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
  ::operator delete (data, std::align_val_t{kBufferAlignment});
}

class BlockCache {
 public:
  void* Take(size_t requested, size_t block_bytes) {
    std::lock_guard lock(mutex_);
    void* data = TakeFree(block_bytes);
    peak_live_bytes_ = std::max(peak_live_bytes_, live_bytes_ + block_bytes);
    if (!data) {
      // Evicts blocks that nobody requests again: with layers of different sizes a training step
      // would otherwise cache more than its peak use.
      const size_t all = live_bytes_ + block_bytes + cached_bytes_;
      if (all > peak_live_bytes_) FreeOldest(all - peak_live_bytes_);
      // Beyond the limit the system kills the process instead of refusing memory.
      if (live_bytes_ + block_bytes + cached_bytes_ > memory_limit_) FreeAll();
      if (live_bytes_ + block_bytes <= memory_limit_) data = TakeFresh(block_bytes);
      if (!data && cached_bytes_ > 0) {
        FreeAll();
        data = TakeFresh(block_bytes);
      }
      if (!data) ThrowOutOfMemory(requested);
    }
    live_bytes_ += block_bytes;
    return data;
  }

  void Give(void* data, size_t block_bytes) {
    std::lock_guard lock(mutex_);
    live_bytes_ -= block_bytes;
    if (block_bytes >= kLargeBlock) {
      free_ranges_.Add(static_cast<char*>(data), block_bytes, next_age_++);
    } else {
      free_blocks_[block_bytes].push_back({data, next_age_++});
    }
    cached_bytes_ += block_bytes;
    if (cached_bytes_ > max_cached_bytes_) FreeOldest(cached_bytes_ - max_cached_bytes_);
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

  void* TakeFree(size_t block_bytes) {
    void* data =
        block_bytes >= kLargeBlock ? free_ranges_.Take(block_bytes) : TakeSmall(block_bytes);
    if (data) cached_bytes_ -= block_bytes;
    return data;
  }

  // The block released last, which is most likely in the processor's cache.
  void* TakeSmall(size_t block_bytes) {
    const auto found = free_blocks_.find(block_bytes);
    if (found == free_blocks_.end()) return nullptr;
    void* data = found->second.back().data;
    found->second.pop_back();
    if (found->second.empty()) free_blocks_.erase(found);
    return data;
  }

  // Null when out of memory.
  void* TakeFresh(size_t block_bytes) {
    if (block_bytes < kLargeBlock) return NewBlock(block_bytes);
    const size_t bytes = RoundUp(block_bytes, kHugePage);
    char* const data = Map(bytes);
    // Only for the block: huge pages would also commit the rest, which may never be used.
    if (data) PreferHugePages(data, block_bytes);
    if (data && bytes > block_bytes) {
      free_ranges_.Add(data + block_bytes, bytes - block_bytes, next_age_++);
      cached_bytes_ += bytes - block_bytes;
    }
    return data;
  }

  // Evicts at least `bytes`, or all.
  void FreeOldest(size_t bytes) {
    const size_t kept = cached_bytes_ - std::min(cached_bytes_, bytes);
    while (cached_bytes_ > kept) {
      const auto blocks = std::min_element(
          free_blocks_.begin(), free_blocks_.end(),
          [](const auto& a, const auto& b) { return a.second.front().age < b.second.front().age; });
      const bool range =
          blocks == free_blocks_.end() ||
          (!free_ranges_.empty() && free_ranges_.oldest() < blocks->second.front().age);
      if (range) {
        const auto freed = free_ranges_.TakeOldest(cached_bytes_ - kept, kHugePage);
        Unmap(freed);
        cached_bytes_ -= freed.bytes;
      } else {
        DeleteBlock(blocks->second.front().data, blocks->first);
        cached_bytes_ -= blocks->first;
        blocks->second.pop_front();
        if (blocks->second.empty()) free_blocks_.erase(blocks);
      }
    }
  }

  void FreeAll() { FreeOldest(cached_bytes_); }

  [[noreturn]] void ThrowOutOfMemory(size_t requested) const {
    throw Error(ErrorCode::kOutOfMemory, "out of memory: asked for " + std::to_string(requested) +
                                             " bytes with " + std::to_string(live_bytes_) +
                                             " bytes live and a limit of " +
                                             std::to_string(memory_limit_) + " bytes");
  }

  const size_t memory_limit_ = MemoryLimit();
  const size_t max_cached_bytes_ = std::min(kMaxCachedBytes, memory_limit_ / 4);
  std::mutex mutex_;
  // Small blocks by rounded size, oldest first; no empty list.
  std::map<size_t, std::deque<Block>> free_blocks_;
  FreeRanges free_ranges_;
  size_t live_bytes_ = 0;
  size_t peak_live_bytes_ = 0;
  size_t cached_bytes_ = 0;
  uint64_t next_age_ = 0;
};

// Never destroyed: a queue's thread may hold buffers while the process exits.
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
    // Reads up to kBufferAlignment bytes past the end are allowed (buffer.h).
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
  malloc_trim(0);  // free memory between live blocks
#endif
}

}  // namespace convlstm
