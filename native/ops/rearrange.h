// Operations that move elements and compute nothing.
#ifndef CONVLSTM_OPS_REARRANGE_H_
#define CONVLSTM_OPS_REARRANGE_H_

#include <cstdint>
#include <vector>

#include "core/shape.h"
#include "core/storage.h"

namespace convlstm {

// Axis k of the result is axis order[k] of x.
struct Permutation {
  Shape shape;
  std::vector<int64_t> order;
};

// Element k of axis a of the result is element starts[a] + k * steps[a] of x.
struct Slice {
  Shape shape;
  std::vector<int64_t> starts;
  std::vector<int64_t> sizes;
  std::vector<int64_t> steps;
};

struct Concatenation {
  std::vector<Shape> shapes;
  int64_t axis;
};

// Each throws Error(kShape) unless its parameters fit together and the storages have the shapes'
// elements.
void CheckPermutation(const Permutation& permutation, const StoragePtr& x);
void CheckSlice(const Slice& slice, const StoragePtr& x);
void CheckSliceBackward(const Slice& slice, const StoragePtr& grad);
void CheckConcatenation(const Concatenation& concatenation, const std::vector<StoragePtr>& parts);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_REARRANGE_H_
