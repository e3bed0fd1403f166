// Device memory in reused blocks; host blocks are aligned.
//
// A fresh large block costs a page fault per 4 KiB (half the time of a 480x480 step), so released
// host memory is cached: small blocks in lists by rounded size, pages of large blocks as free
// ranges (core/free_ranges.h), from which blocks of any size are cut. Fresh memory evicts the
// oldest cached memory, so the process never holds more than its peak use: a training step of three
// layers of different sizes (W2 of the bench) takes 66 to 94 MiB of fresh memory. A cache larger by
// a sixteenth would hold 8 MiB more and save 1% to 2% of the time.
#ifndef CONVLSTM_CORE_BUFFER_H_
#define CONVLSTM_CORE_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace convlstm {

inline constexpr size_t kBufferAlignment = 64;

class Buffer;

// Allocator of one device. Thread-safe, never destroyed.
class Memory {
 public:
  // Throws Error(kOutOfMemory); the message gives the sizes.
  virtual Buffer Allocate(size_t bytes) = 0;

 protected:
  friend class Buffer;
  ~Memory() = default;
  virtual void Release(void* data, size_t block_bytes) noexcept = 0;
};
Memory& HostMemory();

// Owns one block, or nothing. Contents are indeterminate after Allocate. Host blocks are readable
// (not writable) for kBufferAlignment bytes past their end, so that vector loads need no tail.
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

  // Host memory.
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

// Returns cached memory to the system.
void EmptyBufferCache();

}  // namespace convlstm

#endif  // CONVLSTM_CORE_BUFFER_H_
