// The CPU backend's operations on each element. `out` has the right number of elements and is not
// allocated yet; it gets the layout of the operands where that is one.
#ifndef CONVLSTM_CPU_TENSOR_ELEMENTWISE_H_
#define CONVLSTM_CPU_TENSOR_ELEMENTWISE_H_

#include "cpu/threads/thread_pool.h"
#include "ops/elementwise.h"

namespace convlstm::cpu {

void Fill(float value, Storage& out, ThreadPool& pool);

// `alpha` is the negative slope of kLeakyRelu.
void Unary(UnaryOp op, Storage& x, float alpha, Storage& out, ThreadPool& pool);

// `grad` of Unary's result to that of its operand. `saved` is the result for kExp, kSqrt, kSigmoid,
// kTanh and kRelu, the operand for the others; as many elements as `grad`.
void UnaryBackward(UnaryOp op, Storage& saved, Storage& grad, float alpha, Storage& out,
                   ThreadPool& pool);

void Binary(BinaryOp op, const BinaryShapes& shapes, Storage& a, Storage& b, Storage& out,
            ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_ELEMENTWISE_H_
