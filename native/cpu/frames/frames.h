// Channels-last frames of storages, whichever way their elements lie.
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

// Whether the elements lie as channels-last frames of this geometry.
bool HasFrames(const Storage& storage, const ChannelsLast& wanted);

// Channels-last frames, or none. They stay while the object lives, even if the storage that they
// come from is converted, for it may come in as another input of the same call.
class HeldFrames {
 public:
  HeldFrames() = default;
  explicit HeldFrames(std::shared_ptr<const Buffer> frames) : held_(std::move(frames)) {}
  const float* data() const { return held_ == nullptr ? nullptr : held_->as<float>(); }

 private:
  std::shared_ptr<const Buffer> held_;
};

// The elements as frames: where they lie, or converted. The storage, which may be null, stays as
// it is.
HeldFrames ToFrames(const StoragePtr& storage, const ChannelsLast& wanted, ThreadPool& pool);

// The same, but the storage has its elements so from then on, so that nothing is there twice.
HeldFrames ConvertToFrames(const StoragePtr& storage, const ChannelsLast& wanted, ThreadPool& pool);

// The frames of a sequence [batch, time, channels, height, width] or time first, step by step.
// Where they have to be converted that is done as a step is asked for, into memory for `steps` of
// them: step t takes the place of step t - steps. With memory for all of them the storage has its
// elements so from then on.
class StepFrames {
 public:
  StepFrames(const ConvLstmShape& shape, Storage& storage, int64_t channels, int64_t steps,
             ThreadPool& pool);

  // frames[b] for b < batch.
  void Get(int64_t t, const float** frames) const;

 private:
  const ConvLstmShape& shape_;
  ThreadPool& pool_;
  int64_t channels_;
  int64_t steps_;
  const float* elements_;               // frames, or rows when they are to be converted
  std::shared_ptr<const Buffer> held_;  // where they lie
  Buffer rows_;                         // of a storage that has frames of another geometry
  Buffer converted_;
};

// out[k] = in[k] for k < count.
void CopyElements(const float* in, float* out, int64_t count, ThreadPool& pool);
// out[k] = a[k] * b[k].
void MultiplyElements(const float* a, const float* b, float* out, int64_t count, ThreadPool& pool);
void FillZeros(float* out, int64_t count, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_FRAMES_FRAMES_H_
