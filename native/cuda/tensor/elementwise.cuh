#ifndef CONVLSTM_CUDA_TENSOR_ELEMENTWISE_CUH_
#define CONVLSTM_CUDA_TENSOR_ELEMENTWISE_CUH_

#include <cmath>

#include "cuda/tensor/strides.h"
#include "ops/elementwise.h"

namespace convlstm::cuda {

__global__ void FillElements(float value, float* out, int64_t count) {
  ForStrided(count, [&](int64_t k) { out[k] = value; });
}

__device__ __forceinline__ float ApplyUnary(UnaryOp op, float v, float alpha) {
  switch (op) {
    case UnaryOp::kNeg:
      return -v;
    case UnaryOp::kAbs:
      return fabsf(v);
    case UnaryOp::kExp:
      return expf(v);
    case UnaryOp::kLog:
      return logf(v);
    case UnaryOp::kSqrt:
      return sqrtf(v);
    case UnaryOp::kSigmoid:
      return 1.0f / (1.0f + expf(-v));
    case UnaryOp::kTanh:
      return tanhf(v);
    case UnaryOp::kRelu:  // NaN stays NaN here and below
      return v < 0 ? 0.0f : v;
    case UnaryOp::kLeakyRelu:
      return v < 0 ? v * alpha : v;
    case UnaryOp::kSquare:
      return v * v;
    case UnaryOp::kSoftplus:
      return fmaxf(v, 0.0f) + log1pf(expf(-fabsf(v)));
  }
  return v;
}

// The gradient of the operand, given that of the result. `saved` is the result for kExp, kSqrt,
// kSigmoid, kTanh and kRelu, otherwise the operand.
__device__ __forceinline__ float ApplyUnaryBackward(UnaryOp op, float saved, float grad,
                                                    float alpha) {
  switch (op) {
    case UnaryOp::kNeg:
      return -grad;
    case UnaryOp::kAbs:
      return saved > 0 ? grad : saved < 0 ? -grad : 0.0f;
    case UnaryOp::kExp:
      return grad * saved;
    case UnaryOp::kLog:
      return grad / saved;
    case UnaryOp::kSqrt:
      return grad / (saved + saved);
    case UnaryOp::kSigmoid:
      return grad * (1.0f - saved) * saved;
    case UnaryOp::kTanh:  // (1 - y) (1 + y) is accurate where 1 - y y would cancel
      return grad * (1.0f - saved) * (1.0f + saved);
    case UnaryOp::kRelu:
      return saved <= 0 ? 0.0f : grad;
    case UnaryOp::kLeakyRelu:
      return saved > 0 ? grad : grad * alpha;
    case UnaryOp::kSquare:
      return (grad + grad) * saved;
    case UnaryOp::kSoftplus:
      return grad * ApplyUnary(UnaryOp::kSigmoid, saved, 0.0f);
  }
  return grad;
}

__device__ __forceinline__ float ApplyBinary(BinaryOp op, float a, float b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSub:
      return a - b;
    case BinaryOp::kMul:
      return a * b;
    case BinaryOp::kDiv:
      return a / b;
    case BinaryOp::kMaximum:  // NaN if either is: `a != a` is a NaN a, and a NaN b fails a > b
      return a > b || a != a ? a : b;
    case BinaryOp::kMinimum:
      return a < b || a != a ? a : b;
    case BinaryOp::kGreater:
      return a > b ? 1.0f : 0.0f;
    case BinaryOp::kEqual:
      return a == b ? 1.0f : 0.0f;
  }
  return a;
}

__global__ void UnaryElements(UnaryOp op, const float* x, float alpha, float* out, int64_t count) {
  ForStrided(count, [&](int64_t k) { out[k] = ApplyUnary(op, x[k], alpha); });
}

__global__ void UnaryBackwardElements(UnaryOp op, const float* saved, const float* grad,
                                      float alpha, float* out, int64_t count) {
  ForStrided(count, [&](int64_t k) { out[k] = ApplyUnaryBackward(op, saved[k], grad[k], alpha); });
}

// Each operand has as many elements as the result (`moves`) or one.
__global__ void BinaryElements(BinaryOp op, const float* a, bool a_moves, const float* b,
                               bool b_moves, float* out, int64_t count) {
  ForStrided(count,
             [&](int64_t k) { out[k] = ApplyBinary(op, a[a_moves ? k : 0], b[b_moves ? k : 0]); });
}

// Strides are 0 along broadcast axes.
__global__ void BinaryBroadcast(BinaryOp op, const float* a, Strides a_strides, const float* b,
                                Strides b_strides, float* out, int64_t count) {
  ForStrided(count, [&](int64_t k) {
    out[k] = ApplyBinary(op, a[a_strides.OffsetOf(k)], b[b_strides.OffsetOf(k)]);
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_ELEMENTWISE_CUH_
