// Operations on each element, with NumPy's broadcasting where there are two operands.
#ifndef CONVLSTM_OPS_ELEMENTWISE_H_
#define CONVLSTM_OPS_ELEMENTWISE_H_

#include "core/shape.h"
#include "core/storage.h"

namespace convlstm {

enum class UnaryOp {
  kNeg,
  kAbs,
  kExp,
  kLog,
  kSqrt,
  kSigmoid,
  kTanh,
  kRelu,
  kLeakyRelu,
  kSquare,
  kSoftplus
};

// kMaximum and kMinimum give NaN where either operand is NaN, kGreater and kEqual 0.
enum class BinaryOp { kAdd, kSub, kMul, kDiv, kMaximum, kMinimum, kGreater, kEqual };

struct BinaryShapes {
  Shape a;
  Shape b;
  Shape out;  // what a and b broadcast to
};

// Throws Error(kShape) unless both broadcast to `out` and the storages have their elements.
void CheckBinary(const BinaryShapes& shapes, const StoragePtr& a, const StoragePtr& b);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_ELEMENTWISE_H_
