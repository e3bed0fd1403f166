// What a tensor of the public face holds: float32 elements that a queued operation fills.
#ifndef CONVLSTM_CORE_STORAGE_H_
#define CONVLSTM_CORE_STORAGE_H_

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>

#include "core/buffer.h"

namespace convlstm {

// How the elements lie in memory. The logical order is always row-major; the ConvLSTM kernels work
// on channels-last frames and leave their results so, and whoever needs rows converts (download
// does it while it copies, so that a sequence is never converted twice). cpu/frames/layout.h
// converts.
struct ChannelsLast {
  int64_t frames;  // product of the dimensions before the channels
  int64_t channels;
  int64_t pixels;  // height * width

  bool operator==(const ChannelsLast&) const = default;
};

// Made on the JavaScript thread; everything else is touched by the queue's thread only, in queue
// order, which is why there is no lock.
class Storage {
 public:
  explicit Storage(int64_t elements, Memory& memory = HostMemory())
      : elements_(elements), memory_(&memory) {}
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  int64_t elements() const { return elements_; }
  size_t bytes() const { return static_cast<size_t>(elements_) * sizeof(float); }

  // The device's that the elements are on.
  Memory& memory() const { return *memory_; }

  // For the operation that fills this storage: allocates, row-major until said otherwise.
  float* Allocate();
  float* AllocateChannelsLast(const ChannelsLast& layout);
  // For elements that will all be the same: they then lie in every layout.
  float* AllocateUniform();
  // The elements as they lie. Throws the error this storage was left with, if any.
  const float* data() const;
  // The same for an operation that uses them up: forms derived from them are dropped.
  float* mutable_data();
  bool channels_last() const { return channels_last_; }
  const ChannelsLast& layout() const { return layout_; }
  bool uniform() const { return uniform_; }

  // Has the elements and the layout of `other`, in the same memory.
  void ShareElements(const Storage& other);
  // Puts the same elements, converted, in the place of what Allocate gave.
  void ReplaceByRowMajor(Buffer buffer);
  void ReplaceByChannelsLast(Buffer buffer, const ChannelsLast& layout);
  // The memory that data() points to: who holds it may read there on when it has been replaced.
  std::shared_ptr<const Buffer> buffer() const { return buffer_; }

  // An operation that failed leaves its results with the error, and with no memory.
  void Fail(std::exception_ptr error) {
    error_ = std::move(error);
    buffer_ = nullptr;
  }
  void ThrowIfFailed() const;

  // Forms derived from the elements (packed weights), by a name that says all they depend on; made
  // once and kept as long as the storage. An in-place write must clear them.
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
