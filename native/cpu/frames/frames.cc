#include "cpu/frames/frames.h"

#include <algorithm>
#include <utility>

#include "cpu/frames/layout.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {

bool HasFrames(const Storage& storage, const ChannelsLast& wanted) {
  if (storage.uniform()) return true;
  if (!storage.channels_last()) return wanted.channels == 1 || wanted.pixels == 1;
  const ChannelsLast& layout = storage.layout();
  return layout.channels == wanted.channels && layout.pixels == wanted.pixels;
}

namespace {

Buffer Converted(const Storage& storage, const ChannelsLast& wanted, ThreadPool& pool) {
  const float* rows = storage.data();
  Buffer copied_rows;
  if (storage.channels_last()) {
    copied_rows = Buffer::Allocate(storage.bytes());
    CopyRowMajor(storage, copied_rows.as<float>(), pool);
    rows = copied_rows.as<float>();
  }
  Buffer frames = Buffer::Allocate(storage.bytes());
  TransposeFrames(wanted.frames, wanted.channels, wanted.pixels, rows, frames.as<float>(), pool);
  return frames;
}

}  // namespace

HeldFrames ToFrames(const StoragePtr& storage, const ChannelsLast& wanted, ThreadPool& pool) {
  if (storage == nullptr) return {};
  if (HasFrames(*storage, wanted)) return HeldFrames(storage->buffer());
  return HeldFrames(std::make_shared<const Buffer>(Converted(*storage, wanted, pool)));
}

HeldFrames ConvertToFrames(const StoragePtr& storage, const ChannelsLast& wanted,
                           ThreadPool& pool) {
  if (storage == nullptr) return {};
  if (!HasFrames(*storage, wanted)) {
    storage->ReplaceByChannelsLast(Converted(*storage, wanted, pool), wanted);
  }
  return HeldFrames(storage->buffer());
}

StepFrames::StepFrames(const ConvLstmShape& shape, Storage& storage, int64_t channels,
                       int64_t steps, ThreadPool& pool)
    : shape_(shape), pool_(pool), channels_(channels), steps_(std::min(steps, shape.time)) {
  const ChannelsLast wanted = {shape.batch * shape.time, channels, shape.pixels()};
  const bool has_frames = HasFrames(storage, wanted);
  if (!has_frames && steps_ == shape.time) {
    storage.ReplaceByChannelsLast(Converted(storage, wanted, pool), wanted);
  }
  elements_ = storage.data();
  held_ = storage.buffer();
  if (has_frames || steps_ == shape.time) return;
  if (storage.channels_last()) {
    rows_ = Buffer::Allocate(storage.bytes());
    CopyRowMajor(storage, rows_.as<float>(), pool);
    elements_ = rows_.as<float>();
  }
  converted_ = Buffer::AllocateArray<float>(steps_ * shape.batch * channels * shape.pixels());
}

void StepFrames::Get(int64_t t, const float** frames) const {
  const int64_t frame_elements = channels_ * shape_.pixels();
  if (!converted_) {
    for (int64_t b = 0; b < shape_.batch; ++b) {
      frames[b] = elements_ + shape_.frame(b, t) * frame_elements;
    }
    return;
  }
  float* to = converted_.as<float>() + t % steps_ * shape_.batch * frame_elements;
  const auto convert = [&](int64_t b, int64_t count) {
    TransposeFrames(count, channels_, shape_.pixels(),
                    elements_ + shape_.frame(b, t) * frame_elements, to + b * frame_elements,
                    pool_);
  };
  if (shape_.time_major) {
    convert(0, shape_.batch);
  } else {
    for (int64_t b = 0; b < shape_.batch; ++b) convert(b, 1);
  }
  for (int64_t b = 0; b < shape_.batch; ++b) frames[b] = to + b * frame_elements;
}

void CopyElements(const float* in, float* out, int64_t count, ThreadPool& pool) {
  ParallelFor(pool, count, 1, [in, out](Range range) {
    std::copy(in + range.begin, in + range.end, out + range.begin);
  });
}

void MultiplyElements(const float* a, const float* b, float* out, int64_t count, ThreadPool& pool) {
  ParallelFor(pool, count, 1, [=](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) out[k] = a[k] * b[k];
  });
}

void FillZeros(float* out, int64_t count, ThreadPool& pool) {
  ParallelFor(pool, count, 1,
              [out](Range range) { std::fill(out + range.begin, out + range.end, 0.0f); });
}

}  // namespace convlstm::cpu
