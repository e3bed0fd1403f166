#include "cpu/conv_lstm/steps.h"

#include "core/derived.h"
#include "cpu/conv_lstm/kernel_choice.h"
#include "cpu/frames/layout.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

// Weights packed for a kernel, made once as long as neither weight, bias nor peepholes change.
std::shared_ptr<const PackedWeights> PackOnce(const ConvLstmKernel& kernel,
                                              const ConvLstmShape& shape,
                                              const ConvLstmInputs& inputs, bool keep,
                                              ThreadPool& pool) {
  const bool spatial = inputs.peephole == Peephole::kSpatial;
  const std::vector<int64_t> parameters = {shape.input_dim,
                                           shape.hidden_dim,
                                           shape.kernel_height,
                                           shape.kernel_width,
                                           static_cast<int64_t>(inputs.peephole),
                                           spatial ? shape.height : 0,
                                           spatial ? shape.width : 0};
  const auto rows = [&](const StoragePtr& storage) {
    return storage == nullptr ? nullptr : RowMajor(*storage, pool);
  };
  const auto pack = [&]() -> std::shared_ptr<const PackedWeights> {
    const ConvLstmWeights weights = {rows(inputs.weight),
                                     rows(inputs.bias),
                                     inputs.peephole,
                                     {rows(inputs.wci), rows(inputs.wcf), rows(inputs.wco)}};
    return kernel.Pack(shape, weights, pool);
  };
  return DeriveOnce(*inputs.weight, "conv_lstm " + kernel.name(), parameters,
                    {inputs.bias, inputs.wci, inputs.wcf, inputs.wco}, keep, pack);
}

// out = zoneout . old + (1 - zoneout) . out, old null for zeros.
void KeepPart(const float* zoneout, bool one_for_all, const float* old, float* out, int64_t count,
              ThreadPool& pool) {
  ParallelFor(pool, count, 1, [=](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) {
      const float z = zoneout[one_for_all ? 0 : k];
      const float kept = old == nullptr ? 0.0f : z * old[k];
      out[k] = kept + (1.0f - z) * out[k];
    }
  });
}

}  // namespace

ZoneoutFrames::ZoneoutFrames(const ConvLstmShape& shape, Storage& storage, ThreadPool& pool)
    : held_(storage.buffer()), pointers_(shape.batch, storage.data()) {
  if (storage.elements() > 1) frames_.emplace(shape, storage, shape.hidden_dim, 1, pool);
}

ConvLstmSteps::ConvLstmSteps(const ConvLstmShape& shape, const ConvLstmInputs& inputs,
                             Precision precision, bool keep_packed, ThreadPool& pool)
    : shape_(shape),
      pool_(pool),
      frame_elements_(shape.hidden_dim * shape.pixels()),
      x_frames_(shape.batch),
      h_frames_(shape.batch),
      c_frames_(shape.batch) {
  if (inputs.x != nullptr) x_.emplace(shape, *inputs.x, shape.input_dim, 1, pool);
  const ConvLstmRequest request = {shape, inputs.peephole, precision, CurrentIsa()};
  kernel_ = &ChooseConvLstmKernel(request);
  RecordChoice(request, *kernel_);
  packed_ = PackOnce(*kernel_, shape, inputs, keep_packed, pool);
  mask_ = ToFrames(inputs.recurrent_mask, {shape.batch, shape.hidden_dim, shape.pixels()}, pool);
  if (mask_.data() != nullptr) {
    masked_h_ = Buffer::AllocateArray<float>(shape.batch * frame_elements_);
  }
  if (inputs.zoneout_h != nullptr) zoneout_h_.emplace(shape, *inputs.zoneout_h, pool);
  if (inputs.zoneout_c != nullptr) {
    zoneout_c_.emplace(shape, *inputs.zoneout_c, pool);
    old_c_ = Buffer::AllocateArray<float>(shape.batch * frame_elements_);
  }
}

void ConvLstmSteps::Run(int64_t t, const ConvLstmStepFrames& frames) {
  const float* const* x = frames.x;
  if (x == nullptr) {
    x_->Get(t, x_frames_.data());
    x = x_frames_.data();
  }
  const float* const* h_in = frames.h_in;
  const float* const* c_in = frames.c_in;
  const float* const mask = h_in == nullptr ? nullptr : mask_.data();
  for (int64_t b = 0; b < shape_.batch; ++b) {
    if (mask != nullptr) {
      float* masked = masked_h_.as<float>() + b * frame_elements_;
      MultiplyElements(h_in[b], mask + b * frame_elements_, masked, frame_elements_, pool_);
      h_frames_[b] = masked;
    }
    if (zoneout_c_) {
      float* copy = old_c_.as<float>() + b * frame_elements_;
      CopyElements(c_in[b], copy, frame_elements_, pool_);
      c_frames_[b] = copy;
    }
  }
  if (mask != nullptr) h_in = h_frames_.data();
  if (zoneout_c_) c_in = c_frames_.data();
  kernel_->Step(shape_, *packed_, {x, h_in, frames.h, frames.c, c_in, frames.gates}, pool_);
  if (zoneout_h_) {
    zoneout_h_->Step(t);
    for (int64_t b = 0; b < shape_.batch; ++b) {
      const float* old = frames.h_in == nullptr ? nullptr : frames.h_in[b];
      KeepPart(zoneout_h_->frame(b), zoneout_h_->one_for_all(), old, frames.h[b], frame_elements_,
               pool_);
    }
  }
  if (zoneout_c_) {
    zoneout_c_->Step(t);
    for (int64_t b = 0; b < shape_.batch; ++b) {
      KeepPart(zoneout_c_->frame(b), zoneout_c_->one_for_all(), c_in[b], frames.c[b],
               frame_elements_, pool_);
    }
  }
}

}  // namespace convlstm::cpu
