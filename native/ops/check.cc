#include "ops/check.h"

#include <string>

#include "core/error.h"

namespace convlstm {

void CheckElements(std::string_view what, const StoragePtr& storage, const Shape& shape) {
  if (shape.size() > kMaxRank) {
    throw Error(ErrorCode::kShape, std::string(what) + ": expected at most " +
                                       std::to_string(kMaxRank) + " dimensions, got " +
                                       ToString(shape));
  }
  const int64_t expected = NumElements(shape);
  if (storage != nullptr && storage->elements() != expected) {
    throw Error(ErrorCode::kShape, std::string(what) + ": expected " + std::to_string(expected) +
                                       " elements of " + ToString(shape) + ", got " +
                                       std::to_string(storage->elements()));
  }
}

}  // namespace convlstm
