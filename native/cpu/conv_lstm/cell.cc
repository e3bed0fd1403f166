#include "cpu/conv_lstm/cell.h"

#include <algorithm>

#include "cpu/frames/layout.h"

namespace convlstm::cpu {

PackedPeepholes::PackedPeepholes(const ConvLstmShape& shape, const ConvLstmWeights& weights,
                                 ThreadPool& pool)
    : hidden_dim_(shape.hidden_dim) {
  if (weights.peephole == Peephole::kNone) return;
  const bool spatial = weights.peephole == Peephole::kSpatial;
  elements_ = hidden_dim_ * (spatial ? shape.pixels() : 1);
  pixel_stride_ = spatial ? hidden_dim_ : 0;
  values_ = Buffer::AllocateArray<float>(static_cast<size_t>(3 * elements_));
  float* out = values_.as<float>();
  for (const float* in : {weights.wci, weights.wcf, weights.wco}) {
    if (spatial) {
      TransposeFrames(1, hidden_dim_, shape.pixels(), in, out, pool);
    } else {
      std::copy_n(in, elements_, out);
    }
    out += elements_;
  }
}

}  // namespace convlstm::cpu
