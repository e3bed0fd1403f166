// Memory of a device, in blocks that are reused. The host's are aligned.
//
// A fresh large block costs a page fault per 4 KiB (half of the time of a 480x480 step), so what is
// given back to the host waits for the next request: small blocks in lists by exact rounded size,
// the pages of large ones as free ranges (core/free_ranges.h), from which blocks of any size are
// cut. Fresh memory takes the place of the oldest of it, so that there is never more than was once
// in use: a training step of three layers of different sizes (W2 of the bench) takes 66 to 94 MiB
// of fresh memory. A sixteenth more to choose from would take 8 MiB and save 1% to 2% of the time.
#ifndef CONVLSTM_CORE_BUFFER_H_
#define CONVLSTM_CORE_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace convlstm {

inline constexpr size_t kBufferAlignment = 64;

class Buffer;

// Where the blocks of a device come from and go back to. Thread-safe, never destroyed.
class Memory {
 public:
  // Throws Error(kOutOfMemory) with the numbers in the message.
  virtual Buffer Allocate(size_t bytes) = 0;

 protected:
  friend class Buffer;
  ~Memory() = default;
  virtual void Release(void* data, size_t block_bytes) noexcept = 0;
};
Memory& HostMemory();

// Owns one block, or nothing. Contents are indeterminate after Allocate. kBufferAlignment bytes
// past the end of the host's may be read (not written), so that vector loads need no tail.
class Buffer {
 public:
  Buffer() = default;
  Buffer(void* data, size_t bytes, size_t block_bytes, Memory& home)
      : data_(data), bytes_(bytes), block_bytes_(block_bytes), home_(&home) {}
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  // Of the host.
  static Buffer Allocate(size_t bytes) { return HostMemory().Allocate(bytes); }
  template <typename T>
  static Buffer AllocateArray(size_t count) {
    return Allocate(count * sizeof(T));
  }

  explicit operator bool() const { return data_ != nullptr; }
  size_t bytes() const { return bytes_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
  size_t block_bytes_ = 0;
  Memory* home_ = nullptr;
};

struct BufferStatistics {
  size_t live_bytes;
  size_t cached_bytes;
};
BufferStatistics GetBufferStatistics();

// Gives the blocks of the free list back to the system.
void EmptyBufferCache();

}  // namespace convlstm

#endif  // CONVLSTM_CORE_BUFFER_H_
