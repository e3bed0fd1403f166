#ifndef CONVLSTM_OPS_REDUCE_H_
#define CONVLSTM_OPS_REDUCE_H_

#include <cstdint>
#include <vector>

#include "core/shape.h"
#include "core/storage.h"

namespace convlstm {

// kMax gives NaN where any element is NaN.
enum class ReduceOp { kSum, kMean, kMax };

struct Reduction {
  ReduceOp op;
  Shape shape;
  std::vector<int64_t> axes;  // ascending

  bool reduces(size_t axis) const;
  Shape output() const;  // without the axes that are reduced
};

// Throws Error(kShape) unless `x` has the shape's elements, the axes are ascending axes of it and,
// for kMax, no axis that is reduced is empty while there is an output.
void CheckReduction(const Reduction& reduction, const StoragePtr& x);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_REDUCE_H_
