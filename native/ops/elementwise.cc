#include "ops/elementwise.h"

#include <algorithm>

#include "core/error.h"
#include "ops/check.h"

namespace convlstm {
namespace {

int64_t DimFromEnd(const Shape& shape, size_t k) {
  return k < shape.size() ? shape[shape.size() - 1 - k] : 1;
}

bool Broadcasts(const BinaryShapes& shapes) {
  if (shapes.out.size() != std::max(shapes.a.size(), shapes.b.size())) return false;
  for (size_t k = 0; k < shapes.out.size(); ++k) {
    const int64_t a = DimFromEnd(shapes.a, k);
    const int64_t b = DimFromEnd(shapes.b, k);
    if (a != b && a != 1 && b != 1) return false;
    if (DimFromEnd(shapes.out, k) != (a == 1 ? b : a)) return false;
  }
  return true;
}

}  // namespace

void CheckBinary(const BinaryShapes& shapes, const StoragePtr& a, const StoragePtr& b) {
  CheckElements("binary: a", a, shapes.a);
  CheckElements("binary: b", b, shapes.b);
  CheckElements("binary: out", nullptr, shapes.out);
  if (!Broadcasts(shapes)) {
    throw Error(ErrorCode::kShape, "binary: " + ToString(shapes.a) + " and " + ToString(shapes.b) +
                                       " do not broadcast to " + ToString(shapes.out));
  }
}

}  // namespace convlstm
