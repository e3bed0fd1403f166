#include "ops/rearrange.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "ops/check.h"

namespace convlstm {

void Permute::Check() const {
  CheckElements("permute: x", x, shape);
  const auto rank = static_cast<int64_t>(shape.size());
  std::vector<bool> seen(rank, false);
  bool valid = order.size() == shape.size();
  for (const int64_t axis : order) {
    valid = valid && axis >= 0 && axis < rank && !seen[axis];
    if (valid) seen[axis] = true;
  }
  if (!valid) {
    throw Error(ErrorCode::kShape, "permute: expected a permutation of the axes of " +
                                       ToString(shape) + ", got " + ToString(order));
  }
}

void SliceBounds::Check() {
  CheckElements("slice: result", nullptr, sizes);
  const size_t rank = shape.size();
  if (starts.size() != rank || sizes.size() != rank || steps.size() != rank) {
    throw Error(ErrorCode::kShape,
                "slice: expected starts, sizes and steps with an entry for each axis of " +
                    ToString(shape));
  }
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t start = starts[axis], size = sizes[axis], step = steps[axis];
    if (step < 1) {
      throw Error(ErrorCode::kOption,
                  "slice: steps: expected 1 or more, got " + std::to_string(step));
    }
    steps[axis] = std::min(step, std::max<int64_t>(1, shape[axis]));
    if (size == 0) continue;
    const int64_t after_start = shape[axis] - 1 - start;
    if (start < 0 || after_start < 0 || size - 1 > after_start / step) {
      throw Error(ErrorCode::kShape, "slice: " + std::to_string(size) + " elements from " +
                                         std::to_string(start) + " in steps of " +
                                         std::to_string(step) + " exceed axis " +
                                         std::to_string(axis) + " of " + ToString(shape));
    }
  }
}

void Slice::Check() {
  CheckElements("slice: x", x, bounds.shape);
  bounds.Check();
}

void SliceBackward::Check() {
  CheckElements("sliceBackward: result", nullptr, bounds.shape);
  bounds.Check();
  CheckElements("sliceBackward: grad", grad, bounds.sizes);
}

Shape Concat::out_shape() const {
  Shape result = shapes.front();
  result[axis] = 0;
  for (const Shape& shape : shapes) result[axis] += shape[axis];
  return result;
}

void Concat::Check() const {
  if (parts.empty() || parts.size() != shapes.size()) {
    throw Error(ErrorCode::kShape, "concat: expected a shape for each of one or more parts, got " +
                                       std::to_string(parts.size()) + " parts and " +
                                       std::to_string(shapes.size()) + " shapes");
  }
  const Shape& first = shapes.front();
  if (axis < 0 || axis >= static_cast<int64_t>(first.size())) {
    throw Error(ErrorCode::kShape, "concat: axis: expected one of " + ToString(first) + ", got " +
                                       std::to_string(axis));
  }
  for (size_t k = 0; k < parts.size(); ++k) {
    CheckElements("concat: part " + std::to_string(k), parts[k], shapes[k]);
    Shape expected = first;
    if (shapes[k].size() == first.size()) expected[axis] = shapes[k][axis];
    if (shapes[k] != expected) {
      throw Error(ErrorCode::kShape, "concat: expected shapes that are equal except along axis " +
                                         std::to_string(axis) + ", got " + ToString(first) +
                                         " and " + ToString(shapes[k]));
    }
  }
  CheckElements("concat: result", nullptr, out_shape());
}

}  // namespace convlstm
