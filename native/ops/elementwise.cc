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

void UnaryBackward::Check() const {
  CheckElements("unaryBackward: saved", saved, {grad->elements()});
}

void Binary::Check() const {
  CheckElements("binary: a", a, a_shape);
  CheckElements("binary: b", b, b_shape);
  CheckElements("binary: out", nullptr, out_shape);
  if (!Broadcasts(a_shape, out_shape) || !Broadcasts(b_shape, out_shape)) {
    throw Error(ErrorCode::kShape, "binary: expected shapes that broadcast to " +
                                       ToString(out_shape) + ", got " + ToString(a_shape) +
                                       " and " + ToString(b_shape));
  }
}

}  // namespace convlstm
