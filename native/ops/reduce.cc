#include "ops/reduce.h"

#include <algorithm>

#include "core/error.h"
#include "ops/check.h"

namespace convlstm {

bool Reduction::reduces(size_t axis) const {
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
}

Shape Reduction::output() const {
  Shape kept;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (!reduces(axis)) kept.push_back(shape[axis]);
  }
  return kept;
}

void CheckReduction(const Reduction& reduction, const StoragePtr& x) {
  CheckElements("reduce: x", x, reduction.shape);
  int64_t previous = -1;
  for (const int64_t axis : reduction.axes) {
    if (axis <= previous || axis >= static_cast<int64_t>(reduction.shape.size())) {
      throw Error(ErrorCode::kShape, "reduce: " + ToString(reduction.axes) +
                                         " are not ascending axes of " + ToString(reduction.shape));
    }
    previous = axis;
  }
  const int64_t outputs = NumElements(reduction.output());
  if (reduction.op == ReduceOp::kMax && x->elements() == 0 && outputs > 0) {
    throw Error(ErrorCode::kShape,
                "reduce: no element of " + ToString(reduction.shape) + " to take the maximum of");
  }
}

}  // namespace convlstm
