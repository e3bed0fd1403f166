#include "cpu/tensor/elementwise.h"

#include <algorithm>

#include "cpu/frames/layout.h"
#include "cpu/tensor/broadcast.h"
#include "cpu/threads/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/tensor/elementwise.cc"
// clang-format off
#include "cpu/simd/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "cpu/simd/activations-inl.h"
#include "cpu/simd/exp_log-inl.h"
#include "cpu/simd/partial-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

// out[i] = function(i), one vector at a time. Reads up to a vector past the operands' end, writes
// `count` elements.
template <typename Function>
HWY_INLINE void Map(int64_t count, float* out, const Function& function) {
  const Tag d;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(function(i), d, out + i);
  if (i < count) StoreFirst(function(i), d, out + i, count - i);
}

void UnaryRange(UnaryOp op, const float* x, float alpha, float* out, int64_t count) {
  const Tag d;
  const auto zero = hn::Zero(d);
  const auto slope = hn::Set(d, alpha);
  const auto map = [&](const auto& function) {
    Map(count, out, [&](int64_t i) { return function(hn::LoadU(d, x + i)); });
  };
  switch (op) {
    case UnaryOp::kNeg:
      return map([&](Vec v) { return hn::Neg(v); });
    case UnaryOp::kAbs:
      return map([&](Vec v) { return hn::Abs(v); });
    case UnaryOp::kExp:
      return map([&](Vec v) { return Exp(d, v); });
    case UnaryOp::kLog:
      return map([&](Vec v) { return Log(d, v); });
    case UnaryOp::kSqrt:
      return map([&](Vec v) { return hn::Sqrt(v); });
    case UnaryOp::kSigmoid:
      return map([&](Vec v) { return Sigmoid(d, v); });
    case UnaryOp::kTanh:
      return map([&](Vec v) { return Tanh(d, v); });
    case UnaryOp::kRelu:  // NaN stays NaN, as with kLeakyRelu
      return map([&](Vec v) { return hn::IfThenElse(hn::Lt(v, zero), zero, v); });
    case UnaryOp::kLeakyRelu:
      return map([&](Vec v) { return hn::IfThenElse(hn::Lt(v, zero), hn::Mul(v, slope), v); });
    case UnaryOp::kSquare:
      return map([&](Vec v) { return hn::Mul(v, v); });
    case UnaryOp::kSoftplus:
      return map([&](Vec v) { return Softplus(d, v); });
  }
}

// `saved` is y, the result, or x, the operand (ops/elementwise.h).
void UnaryBackwardRange(UnaryOp op, const float* saved, const float* grad, float alpha, float* out,
                        int64_t count) {
  const Tag d;
  const auto zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  const auto slope = hn::Set(d, alpha);
  const auto map = [&](const auto& function) {
    Map(count, out,
        [&](int64_t i) { return function(hn::LoadU(d, saved + i), hn::LoadU(d, grad + i)); });
  };
  switch (op) {
    case UnaryOp::kNeg:
      return map([&](Vec, Vec g) { return hn::Neg(g); });
    case UnaryOp::kAbs:
      return map([&](Vec x, Vec g) {
        return hn::IfThenElse(hn::Gt(x, zero), g, hn::IfThenElseZero(hn::Lt(x, zero), hn::Neg(g)));
      });
    case UnaryOp::kExp:
      return map([&](Vec y, Vec g) { return hn::Mul(g, y); });
    case UnaryOp::kLog:
      return map([&](Vec x, Vec g) { return hn::Div(g, x); });
    case UnaryOp::kSqrt:
      return map([&](Vec y, Vec g) { return hn::Div(g, hn::Add(y, y)); });
    case UnaryOp::kSigmoid:
      return map([&](Vec y, Vec g) { return hn::Mul(hn::Mul(g, hn::Sub(one, y)), y); });
    case UnaryOp::kTanh:
      // (1 - y) (1 + y) is exact where 1 - y y would cancel.
      return map(
          [&](Vec y, Vec g) { return hn::Mul(hn::Mul(g, hn::Sub(one, y)), hn::Add(one, y)); });
    case UnaryOp::kRelu:
      return map([&](Vec y, Vec g) { return hn::IfThenElse(hn::Le(y, zero), zero, g); });
    case UnaryOp::kLeakyRelu:
      return map(
          [&](Vec x, Vec g) { return hn::IfThenElse(hn::Gt(x, zero), g, hn::Mul(g, slope)); });
    case UnaryOp::kSquare:
      return map([&](Vec x, Vec g) { return hn::Mul(hn::Add(g, g), x); });
    case UnaryOp::kSoftplus:
      return map([&](Vec x, Vec g) { return hn::Mul(g, Sigmoid(d, x)); });
  }
}

template <typename Function>
HWY_INLINE void BinaryMap(const BinaryRun& run, const Function& function) {
  const Tag d;
  if (!run.a_step && !run.b_step) {
    const auto result = function(hn::Set(d, *run.a), hn::Set(d, *run.b));
    Map(run.count, run.out, [&](int64_t) { return result; });
  } else if (!run.a_step) {
    const auto a = hn::Set(d, *run.a);
    Map(run.count, run.out, [&](int64_t i) { return function(a, hn::LoadU(d, run.b + i)); });
  } else if (!run.b_step) {
    const auto b = hn::Set(d, *run.b);
    Map(run.count, run.out, [&](int64_t i) { return function(hn::LoadU(d, run.a + i), b); });
  } else {
    Map(run.count, run.out,
        [&](int64_t i) { return function(hn::LoadU(d, run.a + i), hn::LoadU(d, run.b + i)); });
  }
}

void BinaryRange(BinaryOp op, const BinaryRun& run) {
  switch (op) {
    case BinaryOp::kAdd:
      return BinaryMap(run, [](Vec a, Vec b) { return hn::Add(a, b); });
    case BinaryOp::kSub:
      return BinaryMap(run, [](Vec a, Vec b) { return hn::Sub(a, b); });
    case BinaryOp::kMul:
      return BinaryMap(run, [](Vec a, Vec b) { return hn::Mul(a, b); });
    case BinaryOp::kDiv:
      return BinaryMap(run, [](Vec a, Vec b) { return hn::Div(a, b); });
    case BinaryOp::kMaximum:  // NaN if either is: comparisons with a NaN b select b
      return BinaryMap(run, [](Vec a, Vec b) {
        return hn::IfThenElse(hn::Or(hn::Gt(a, b), hn::IsNaN(a)), a, b);
      });
    case BinaryOp::kMinimum:
      return BinaryMap(run, [](Vec a, Vec b) {
        return hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(a)), a, b);
      });
    case BinaryOp::kGreater:
      return BinaryMap(
          run, [](Vec a, Vec b) { return hn::IfThenElseZero(hn::Gt(a, b), hn::Set(Tag(), 1.0f)); });
    case BinaryOp::kEqual:
      return BinaryMap(
          run, [](Vec a, Vec b) { return hn::IfThenElseZero(hn::Eq(a, b), hn::Set(Tag(), 1.0f)); });
  }
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {
namespace {

float* AllocateLike(const Storage& x, Storage& out) {
  if (x.uniform()) return out.AllocateUniform();
  return x.channels_last() ? out.AllocateChannelsLast(x.layout()) : out.Allocate();
}

// Whether elements at the same offset in memory have the same index.
bool LieAlike(const Storage& a, const Storage& b) {
  if (a.uniform() || b.uniform()) return true;
  return a.channels_last() == b.channels_last() && (!a.channels_last() || a.layout() == b.layout());
}
float* AllocateLike(const Storage& a, const Storage& b, Storage& out) {
  return AllocateLike(a.uniform() ? b : a, out);
}

}  // namespace

void Run(ThreadPool& pool, const Fill& op) {
  float* data = op.out->AllocateUniform();
  ForLines(pool, op.length,
           [&](int64_t begin, int64_t count) { std::fill_n(data + begin, count, op.value); });
}

void Run(ThreadPool& pool, const Unary& op) {
  const auto unary_range = CONVLSTM_SIMD(CurrentIsa(), UnaryRange);
  const float* in = op.x->data();
  float* to = AllocateLike(*op.x, *op.out);
  ForLines(pool, op.x->elements(), [&](int64_t begin, int64_t count) {
    unary_range(op.op, in + begin, op.alpha, to + begin, count);
  });
}

void Run(ThreadPool& pool, const UnaryBackward& op) {
  Storage &saved = *op.saved, &grad = *op.grad, &out = *op.out;
  const auto backward_range = CONVLSTM_SIMD(CurrentIsa(), UnaryBackwardRange);
  const bool as_they_lie = LieAlike(saved, grad);
  const float* from_saved = as_they_lie ? saved.data() : RowMajor(saved, pool);
  const float* from_grad = as_they_lie ? grad.data() : RowMajor(grad, pool);
  float* to = AllocateLike(grad, saved, out);
  ForLines(pool, out.elements(), [&](int64_t begin, int64_t count) {
    backward_range(op.op, from_saved + begin, from_grad + begin, op.alpha, to + begin, count);
  });
}

void Run(ThreadPool& pool, const Binary& op) {
  Storage &a = *op.a, &b = *op.b, &out = *op.out;
  const auto binary_range = CONVLSTM_SIMD(CurrentIsa(), BinaryRange);
  // Any memory order serves where shapes and layouts are equal or one operand is a scalar.
  const bool whole_a = a.elements() == out.elements(), whole_b = b.elements() == out.elements();
  const bool both_single = a.elements() == 1 && b.elements() == 1;
  const bool as_they_lie = both_single || (whole_a && b.elements() == 1) ||
                           (whole_b && a.elements() == 1) || (whole_a && whole_b && LieAlike(a, b));
  if (as_they_lie) {
    const float* from_a = a.data();
    const float* from_b = b.data();
    float* to = both_single          ? out.AllocateUniform()
                : whole_a && whole_b ? AllocateLike(a, b, out)
                                     : AllocateLike(whole_a ? a : b, out);
    ForLines(pool, out.elements(), [&](int64_t begin, int64_t count) {
      binary_range(op.op, {whole_a ? from_a + begin : from_a, whole_b ? from_b + begin : from_b,
                           to + begin, whole_a, whole_b, count});
    });
  } else {
    const float* from_a = RowMajor(a, pool);
    const float* from_b = RowMajor(b, pool);
    const BroadcastPlan plan(op);
    float* to = out.Allocate();
    ParallelFor(pool, plan.runs(), plan.run_length(), [&](Range range) {
      plan.ForRuns(range, from_a, from_b, to,
                   [&](const BinaryRun& run) { binary_range(op.op, run); });
    });
  }
}

}  // namespace convlstm::cpu
#endif
