// Row-major iteration over a shape.
#ifndef CONVLSTM_TEST_OPERATIONS_ROW_MAJOR_H_
#define CONVLSTM_TEST_OPERATIONS_ROW_MAJOR_H_

#include <cstdint>
#include <vector>

#include "core/shape.h"

namespace convlstm {

// Calls visit(coordinates) for every element of `shape`, in row-major order.
template <typename Visitor>
void ForEachElement(const Shape& shape, const Visitor& visit) {
  std::vector<int64_t> at(shape.size(), 0);
  const int64_t count = NumElements(shape);
  for (int64_t k = 0; k < count; ++k) {
    visit(at);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++at[axis] < shape[axis]) break;
      at[axis] = 0;
    }
  }
}

inline int64_t RowMajorOffset(const Shape& shape, const std::vector<int64_t>& at) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) offset = offset * shape[axis] + at[axis];
  return offset;
}

}  // namespace convlstm

#endif  // CONVLSTM_TEST_OPERATIONS_ROW_MAJOR_H_
