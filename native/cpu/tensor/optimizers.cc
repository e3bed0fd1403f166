#include "cpu/tensor/optimizers.h"

#include "cpu/frames/layout.h"
#include "cpu/threads/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/tensor/optimizers.cc"
// clang-format off
#include "cpu/simd/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "cpu/simd/partial-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

HWY_INLINE Vec LoadOrZero(const float* array, int64_t i) {
  return array == nullptr ? hn::Zero(Tag()) : hn::LoadU(Tag(), array + i);
}

// Calls step(i, store) for every vector; store(v, array) writes the lanes below `count`.
template <typename Step>
HWY_INLINE void ForVectors(int64_t count, const Step& step) {
  const Tag d;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    step(i, [&](Vec v, float* array) { hn::StoreU(v, d, array + i); });
  }
  if (i < count) {
    step(i, [&](Vec v, float* array) { StoreFirst(v, d, array + i, count - i); });
  }
}

void SgdRange(const SgdFactors& factors, const OptimizerArrays& arrays, int64_t count) {
  const Tag d;
  const auto lr = hn::Set(d, factors.lr), decay = hn::Set(d, factors.decay);
  const auto momentum = hn::Set(d, factors.momentum), fresh = hn::Set(d, factors.fresh);
  const float* buffers = arrays.slots[0];
  ForVectors(count, [&](int64_t i, const auto& store) {
    const auto p = hn::LoadU(d, arrays.parameter + i);
    const auto g = hn::MulAdd(decay, p, hn::LoadU(d, arrays.grad + i));
    auto step = g;
    if (arrays.next_slots[0] != nullptr) {
      auto buffer = g;
      if (buffers != nullptr) {
        buffer = hn::MulAdd(momentum, hn::LoadU(d, buffers + i), hn::Mul(fresh, g));
      }
      store(buffer, arrays.next_slots[0]);
      step = factors.nesterov ? hn::MulAdd(momentum, buffer, g) : buffer;
    }
    store(hn::NegMulAdd(lr, step, p), arrays.next_parameter);
  });
}

void RmspropRange(const RmspropFactors& factors, const OptimizerArrays& arrays, int64_t count) {
  const Tag d;
  const auto lr = hn::Set(d, factors.lr), decay = hn::Set(d, factors.decay);
  const auto alpha = hn::Set(d, factors.alpha), fresh = hn::Set(d, factors.fresh);
  const auto eps = hn::Set(d, factors.eps), momentum = hn::Set(d, factors.momentum);
  ForVectors(count, [&](int64_t i, const auto& store) {
    const auto p = hn::LoadU(d, arrays.parameter + i);
    const auto g = hn::MulAdd(decay, p, hn::LoadU(d, arrays.grad + i));
    const auto square =
        hn::MulAdd(alpha, LoadOrZero(arrays.slots[0], i), hn::Mul(fresh, hn::Mul(g, g)));
    store(square, arrays.next_slots[0]);
    auto step = hn::Div(g, hn::Add(hn::Sqrt(square), eps));
    if (arrays.next_slots[1] != nullptr) {
      step = hn::MulAdd(momentum, LoadOrZero(arrays.slots[1], i), step);
      store(step, arrays.next_slots[1]);
    }
    store(hn::NegMulAdd(lr, step, p), arrays.next_parameter);
  });
}

void AdamRange(const AdamFactors& factors, const OptimizerArrays& arrays, int64_t count) {
  const Tag d;
  const auto lr = hn::Set(d, factors.lr), correction = hn::Set(d, factors.correction);
  const auto decay = hn::Set(d, factors.decay), keep = hn::Set(d, factors.keep);
  const auto beta1 = hn::Set(d, factors.beta1), fresh1 = hn::Set(d, factors.fresh1);
  const auto beta2 = hn::Set(d, factors.beta2), fresh2 = hn::Set(d, factors.fresh2);
  const auto eps = hn::Set(d, factors.eps);
  ForVectors(count, [&](int64_t i, const auto& store) {
    const auto p = hn::LoadU(d, arrays.parameter + i);
    const auto g = hn::MulAdd(decay, p, hn::LoadU(d, arrays.grad + i));
    const auto average = hn::MulAdd(beta1, LoadOrZero(arrays.slots[0], i), hn::Mul(fresh1, g));
    const auto square =
        hn::MulAdd(beta2, LoadOrZero(arrays.slots[1], i), hn::Mul(fresh2, hn::Mul(g, g)));
    store(average, arrays.next_slots[0]);
    store(square, arrays.next_slots[1]);
    const auto root = hn::MulAdd(hn::Sqrt(square), correction, eps);
    const auto step = hn::Div(hn::Mul(lr, average), root);
    store(hn::Sub(hn::Mul(keep, p), step), arrays.next_parameter);
  });
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {
namespace {

const float* Read(const StoragePtr& storage, ThreadPool& pool) {
  return storage == nullptr ? nullptr : RowMajor(*storage, pool);
}

float* Write(const StoragePtr& storage) {
  return storage == nullptr ? nullptr : storage->Allocate();
}

OptimizerArrays From(int64_t begin, const OptimizerArrays& arrays) {
  const auto at = [begin](auto* array) { return array == nullptr ? nullptr : array + begin; };
  return {at(arrays.parameter),
          at(arrays.grad),
          {at(arrays.slots[0]), at(arrays.slots[1])},
          at(arrays.next_parameter),
          {at(arrays.next_slots[0]), at(arrays.next_slots[1])}};
}

template <typename Options, typename Range>
void Step(ThreadPool& pool, const OptimizerStep<Options>& op, Range* range) {
  const auto& [options, grad, before, after] = op;
  const OptimizerArrays arrays = {Read(before.parameter, pool),
                                  Read(grad, pool),
                                  {Read(before.slots[0], pool), Read(before.slots[1], pool)},
                                  Write(after.parameter),
                                  {Write(after.slots[0]), Write(after.slots[1])}};
  const auto factors = FactorsOf(options);
  ForLines(pool, grad->elements(),
           [&](int64_t begin, int64_t count) { range(factors, From(begin, arrays), count); });
}

}  // namespace

void Run(ThreadPool& pool, const SgdStep& op) {
  Step(pool, op, CONVLSTM_SIMD(CurrentIsa(), SgdRange));
}
void Run(ThreadPool& pool, const RmspropStep& op) {
  Step(pool, op, CONVLSTM_SIMD(CurrentIsa(), RmspropRange));
}
void Run(ThreadPool& pool, const AdamStep& op) {
  Step(pool, op, CONVLSTM_SIMD(CurrentIsa(), AdamRange));
}

}  // namespace convlstm::cpu
#endif
