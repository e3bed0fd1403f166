#include "ops/elementwise.h"

#include "core/error.h"
#include "ops/check.h"

namespace convlstm {
namespace {

int64_t DimFromEnd(const Shape& shape, size_t k) {
  return k < shape.size() ? shape[shape.size() - 1 - k] : 1;
}

bool Broadcasts(const Shape& shape, const Shape& out) {
  if (shape.size() > out.size()) return false;
  for (size_t k = 0; k < shape.size(); ++k) {
    const int64_t size = DimFromEnd(shape, k);
    if (size != 1 && size != DimFromEnd(out, k)) return false;
  }
  return true;
}

}  // namespace

void CheckBinary(const BinaryShapes& shapes, const StoragePtr& a, const StoragePtr& b) {
  CheckElements("binary: a", a, shapes.a);
  CheckElements("binary: b", b, shapes.b);
  CheckElements("binary: out", nullptr, shapes.out);
  if (!Broadcasts(shapes.a, shapes.out) || !Broadcasts(shapes.b, shapes.out)) {
    throw Error(ErrorCode::kShape, "binary: " + ToString(shapes.a) + " and " + ToString(shapes.b) +
                                       " do not broadcast to " + ToString(shapes.out));
  }
}

}  // namespace convlstm
