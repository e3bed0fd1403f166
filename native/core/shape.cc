#include "core/shape.h"

#include <algorithm>

#include "core/error.h"

namespace convlstm {

int64_t NumElements(const Shape& shape) {
  constexpr int64_t kMaxElements = int64_t{1} << 40;
  int64_t count = 1;  // of the nonzero dimensions
  bool empty = false;
  for (const int64_t dim : shape) {
    if (dim < 0) throw Error(ErrorCode::kShape, "negative dimension in " + ToString(shape));
    empty = empty || dim == 0;
    if (dim > 0 && count > kMaxElements / dim) {
      throw Error(ErrorCode::kOutOfMemory,
                  "out of memory: more than 2^40 elements in " + ToString(shape));
    }
    count *= std::max<int64_t>(1, dim);
  }
  return empty ? 0 : count;
}

std::string ToString(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace convlstm
