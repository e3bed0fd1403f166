#include "cpu/tensor/broadcast.h"

#include <algorithm>

namespace convlstm::cpu {
namespace {

int64_t DimFromEnd(const Shape& shape, size_t k) {
  return k < shape.size() ? shape[shape.size() - 1 - k] : 1;
}

}  // namespace

BroadcastPlan::BroadcastPlan(const Binary& op) {
  int64_t a_elements = 1, b_elements = 1;
  for (size_t k = 0; k < op.out_shape.size(); ++k) {
    const int64_t size = DimFromEnd(op.out_shape, k);
    if (size == 1) continue;
    const int64_t a_size = DimFromEnd(op.a_shape, k), b_size = DimFromEnd(op.b_shape, k);
    const Dim dim = {size, a_size == 1 ? 0 : a_elements, b_size == 1 ? 0 : b_elements};
    a_elements *= a_size;
    b_elements *= b_size;
    if (!dims_.empty()) {
      Dim& inner = dims_.back();  // dims_ is innermost first until it is reversed below
      const bool same_a = (inner.a_stride == 0) == (dim.a_stride == 0);
      const bool same_b = (inner.b_stride == 0) == (dim.b_stride == 0);
      if (same_a && same_b) {
        inner.size *= size;
        continue;
      }
    }
    dims_.push_back(dim);
  }
  if (dims_.empty()) dims_.push_back({1, 1, 1});
  std::reverse(dims_.begin(), dims_.end());
  for (size_t k = 0; k + 1 < dims_.size(); ++k) runs_ *= dims_[k].size;
}

}  // namespace convlstm::cpu
