#include "ops/rearrange.h"

#include <string>

#include "core/error.h"
#include "ops/check.h"

namespace convlstm {

void CheckPermutation(const Permutation& permutation, const StoragePtr& x) {
  CheckElements("permute: x", x, permutation.shape);
  const auto rank = static_cast<int64_t>(permutation.shape.size());
  std::vector<bool> seen(rank, false);
  bool valid = permutation.order.size() == permutation.shape.size();
  for (const int64_t axis : permutation.order) {
    valid = valid && axis >= 0 && axis < rank && !seen[axis];
    if (valid) seen[axis] = true;
  }
  if (!valid) {
    throw Error(ErrorCode::kShape, "permute: " + ToString(permutation.order) +
                                       " is no order of the axes of " +
                                       ToString(permutation.shape));
  }
}

void CheckSlice(const Slice& slice, const StoragePtr& x) {
  CheckElements("slice: x", x, slice.shape);
  CheckElements("slice: result", nullptr, slice.sizes);
  const size_t rank = slice.shape.size();
  if (slice.starts.size() != rank || slice.sizes.size() != rank || slice.steps.size() != rank) {
    throw Error(ErrorCode::kShape, "slice: starts, sizes and steps need one entry for each of " +
                                       ToString(slice.shape));
  }
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t start = slice.starts[axis], size = slice.sizes[axis], step = slice.steps[axis];
    if (step < 1) {
      throw Error(ErrorCode::kOption,
                  "slice: steps: expected 1 or more, got " + std::to_string(step));
    }
    if (size == 0) continue;
    const int64_t after_start = slice.shape[axis] - 1 - start;
    if (start < 0 || after_start < 0 || size - 1 > after_start / step) {
      throw Error(ErrorCode::kShape, "slice: " + std::to_string(size) + " elements from " +
                                         std::to_string(start) + " in steps of " +
                                         std::to_string(step) + " leave axis " +
                                         std::to_string(axis) + " of " + ToString(slice.shape));
    }
  }
}

void CheckSliceBackward(const Slice& slice, const StoragePtr& grad) {
  CheckSlice(slice, nullptr);
  CheckElements("slice: grad", grad, slice.sizes);
}

void CheckConcatenation(const Concatenation& concatenation, const std::vector<StoragePtr>& parts) {
  const std::vector<Shape>& shapes = concatenation.shapes;
  if (parts.empty() || parts.size() != shapes.size()) {
    throw Error(ErrorCode::kShape, "concat: expected a shape for each of one or more parts, got " +
                                       std::to_string(parts.size()) + " parts and " +
                                       std::to_string(shapes.size()) + " shapes");
  }
  const Shape& first = shapes.front();
  if (concatenation.axis < 0 || concatenation.axis >= static_cast<int64_t>(first.size())) {
    throw Error(ErrorCode::kShape, "concat: " + ToString(first) + " has no axis " +
                                       std::to_string(concatenation.axis));
  }
  Shape result = first;
  result[concatenation.axis] = 0;
  for (size_t k = 0; k < parts.size(); ++k) {
    CheckElements("concat: part " + std::to_string(k), parts[k], shapes[k]);
    Shape expected = first;
    if (shapes[k].size() == first.size()) {
      expected[concatenation.axis] = shapes[k][concatenation.axis];
    }
    if (shapes[k] != expected) {
      throw Error(ErrorCode::kShape, "concat: " + ToString(first) + " and " + ToString(shapes[k]) +
                                         " differ beside axis " +
                                         std::to_string(concatenation.axis));
    }
    result[concatenation.axis] += shapes[k][concatenation.axis];
  }
  CheckElements("concat: result", nullptr, result);
}

}  // namespace convlstm
