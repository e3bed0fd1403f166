// Channels-last frames of storages in any layout.
#ifndef CONVLSTM_CPU_FRAMES_FRAMES_H_
#define CONVLSTM_CPU_FRAMES_FRAMES_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "core/buffer.h"
#include "core/storage.h"
#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Whether the elements in memory are channels-last frames of this geometry.
bool HasFrames(const Storage& storage, const ChannelsLast& wanted);

// Shares ownership of channels-last frames, or holds none. The frames stay valid when their storage
// is converted, which happens where it is another input of the same call.
class HeldFrames {
 public:
  HeldFrames() = default;
  explicit HeldFrames(std::shared_ptr<const Buffer> frames) : held_(std::move(frames)) {}
  // Null for none.
  const float* data() const { return held_ == nullptr ? nullptr : held_->as<float>(); }

 private:
  std::shared_ptr<const Buffer> held_;
};

// The elements as frames: the storage's own memory, or a converted copy. storage: null for none;
// its layout stays.
HeldFrames ToFrames(const StoragePtr& storage, const ChannelsLast& wanted, ThreadPool& pool);

// Likewise, but converts the storage itself, so that no element is held twice.
HeldFrames ConvertToFrames(const StoragePtr& storage, const ChannelsLast& wanted, ThreadPool& pool);

// The frames of a sequence, [batch, time, channels, height, width] or time first, step by step.
// Row- major steps are converted on demand into a ring of `steps` steps: step t overwrites t -
// steps. With `steps` for the whole sequence the storage itself is converted. shape and pool must
// outlive the object.
class StepFrames {
 public:
  StepFrames(const ConvLstmShape& shape, Storage& storage, int64_t channels, int64_t steps,
             ThreadPool& pool);

  // Fills frames[batch]; they stay valid until step t + steps is asked for.
  void Get(int64_t t, const float** frames) const;

 private:
  const ConvLstmShape& shape_;
  ThreadPool& pool_;
  int64_t channels_;
  int64_t steps_;
  const float* elements_;               // frames, or rows where converted_ is used
  std::shared_ptr<const Buffer> held_;  // owns the storage's elements
  Buffer rows_;                         // rows of a storage with frames of another geometry
  Buffer converted_;                    // [steps][batch] frames; empty: not needed
};

// out[k] = in[k] for k < count.
void CopyElements(const float* in, float* out, int64_t count, ThreadPool& pool);
// out[k] = a[k] * b[k] for k < count; out may be a or b.
void MultiplyElements(const float* a, const float* b, float* out, int64_t count, ThreadPool& pool);
void FillZeros(float* out, int64_t count, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_FRAMES_FRAMES_H_
