#include "cpu/conv_lstm/cell.h"

#include "cpu/frames/layout.h"

namespace convlstm::cpu {

PackedPeepholes::PackedPeepholes(const ConvLstmShape& shape, const ConvLstmWeights& weights,
                                 ThreadPool& pool)
    : hidden_dim_(shape.hidden_dim) {
  if (weights.peephole == Peephole::kNone) return;
  const bool spatial = weights.peephole == Peephole::kSpatial;
  const int64_t pixels = spatial ? shape.pixels() : 1;
  elements_ = hidden_dim_ * pixels;
  pixel_stride_ = spatial ? hidden_dim_ : 0;
  values_ = Buffer::AllocateArray<float>(weights.peepholes.size() * elements_);
  float* out = values_.as<float>();
  for (const float* in : weights.peepholes) {
    TransposeFrames(1, hidden_dim_, pixels, in, out, pool);
    out += elements_;
  }
}

}  // namespace convlstm::cpu
