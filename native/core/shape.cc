#include "core/shape.h"

#include "core/error.h"

namespace convlstm {

int64_t NumElements(const Shape& shape) {
  constexpr int64_t kMaxElements = int64_t{1} << 40;
  int64_t count = 1;
  for (const int64_t dim : shape) {
    if (dim < 0) throw Error(ErrorCode::kShape, "negative dimension in " + ToString(shape));
    if (dim > kMaxElements || (dim != 0 && count > kMaxElements / dim)) {
      throw Error(ErrorCode::kShape, "more than 2^40 elements in " + ToString(shape));
    }
    count *= dim;
  }
  return count;
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
