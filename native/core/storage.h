// Elements of a tensor: float32, filled by a queued operation.
#ifndef CONVLSTM_CORE_STORAGE_H_
#define CONVLSTM_CORE_STORAGE_H_

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>

#include "core/buffer.h"

namespace convlstm {

// Channels-last memory layout [frames][pixels][channels]. The logical order is always row-major;
// ConvLSTM kernels read and write channels-last frames, and other operations convert when they need
// rows (cpu/frames/layout.h). A download converts while it copies, so a sequence is never converted
// twice.
struct ChannelsLast {
  int64_t frames;  // product of the dimensions before the channels
  int64_t channels;
  int64_t pixels;  // height * width

  bool operator==(const ChannelsLast&) const = default;
};

// Constructed on the JavaScript thread. All but the size and the memory is accessed only by the
// queue's thread, in queue order, so there is no lock.
class Storage {
 public:
  explicit Storage(int64_t elements, Memory& memory = HostMemory())
      : elements_(elements), memory_(&memory) {}
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  int64_t elements() const { return elements_; }
  size_t bytes() const { return static_cast<size_t>(elements_) * sizeof(float); }

  // Identifies the device that holds the elements.
  Memory& memory() const { return *memory_; }

  // Called by the operation that fills this storage. Elements are in row-major order.
  float* Allocate();
  float* AllocateChannelsLast(const ChannelsLast& layout);
  // For equal elements, which are in every layout at once.
  float* AllocateUniform();
  // Elements in their present layout, null before allocation. Throws the storage's error, if any.
  const float* data() const;
  // For an operation that overwrites its operand: also clears derived().
  float* mutable_data();
  bool channels_last() const { return channels_last_; }
  const ChannelsLast& layout() const { return layout_; }
  bool uniform() const { return uniform_; }

  // Aliases the elements and the layout of `other`.
  void ShareElements(const Storage& other);
  // Replaces the memory by the same elements in another layout.
  void ReplaceByRowMajor(Buffer buffer);
  void ReplaceByChannelsLast(Buffer buffer, const ChannelsLast& layout);
  // Memory of data(). A holder may keep reading it after it has been replaced.
  std::shared_ptr<const Buffer> buffer() const { return buffer_; }

  // Marks the result of a failed operation and frees its memory.
  void Fail(std::exception_ptr error) {
    error_ = std::move(error);
    buffer_ = nullptr;
  }
  void ThrowIfFailed() const;

  // Cache of forms derived from the elements (packed weights); the key names everything they depend
  // on. Lives as long as the storage; an in-place write must clear it.
  std::map<std::string, std::shared_ptr<const void>>& derived() { return derived_; }

 private:
  int64_t elements_;
  Memory* memory_;
  std::shared_ptr<const Buffer> buffer_;
  bool channels_last_ = false;
  bool uniform_ = false;
  ChannelsLast layout_{};
  std::exception_ptr error_;
  std::map<std::string, std::shared_ptr<const void>> derived_;
};

using StoragePtr = std::shared_ptr<Storage>;

}  // namespace convlstm

#endif  // CONVLSTM_CORE_STORAGE_H_
