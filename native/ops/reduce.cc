#include "ops/reduce.h"

#include <algorithm>

#include "core/error.h"
#include "ops/check.h"

namespace convlstm {

bool Reduce::reduces(size_t axis) const {
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
}

Shape Reduce::out_shape() const {
  Shape kept;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (!reduces(axis)) kept.push_back(shape[axis]);
  }
  return kept;
}

void Reduce::Check() const {
  CheckElements("reduce: x", x, shape);
  int64_t previous = -1;
  for (const int64_t axis : axes) {
    if (axis <= previous || axis >= static_cast<int64_t>(shape.size())) {
      throw Error(ErrorCode::kShape, "reduce: expected ascending axes of " + ToString(shape) +
                                         ", got " + ToString(axes));
    }
    previous = axis;
  }
  const int64_t outputs = NumElements(out_shape());
  if (op == ReduceOp::kMax && x->elements() == 0 && outputs > 0) {
    throw Error(ErrorCode::kShape,
                "reduce: expected elements to take the maximum of, got none in " + ToString(shape));
  }
}

}  // namespace convlstm
