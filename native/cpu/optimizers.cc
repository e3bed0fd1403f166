#include "cpu/optimizers.h"

#include <cmath>

#include "cpu/layout.h"
#include "cpu/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizers.cc"
// clang-format off
#include "cpu/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "cpu/partial-inl.h"
// clang-format on

#ifndef CONVLSTM_CPU_OPTIMIZERS_CC_
#define CONVLSTM_CPU_OPTIMIZERS_CC_
namespace convlstm::cpu {

// The arrays of a step: null is as the header of the operation says.
struct Arrays {
  const float* parameter;
  const float* grad;
  const float* first;
  const float* second;
  float* next_parameter;
  float* next_first;
  float* next_second;

  Arrays From(int64_t begin) const {
    const auto at = [begin](auto* array) { return array == nullptr ? nullptr : array + begin; };
    return {at(parameter),      at(grad),       at(first),      at(second),
            at(next_parameter), at(next_first), at(next_second)};
  }
};

}  // namespace convlstm::cpu
#endif  // CONVLSTM_CPU_OPTIMIZERS_CC_

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

HWY_INLINE Vec Constant(double value) { return hn::Set(Tag(), static_cast<float>(value)); }

HWY_INLINE Vec LoadOrZero(const float* array, int64_t i) {
  return array == nullptr ? hn::Zero(Tag()) : hn::LoadU(Tag(), array + i);
}

// Calls step(i, store) for every vector; store(v, array) writes the lanes that there are.
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

// `first` is the momentum buffer.
void SgdRange(const SgdOptions& options, const Arrays& arrays, int64_t count) {
  const Tag d;
  const auto lr = Constant(options.lr), decay = Constant(options.weight_decay);
  const auto momentum = Constant(options.momentum), fresh = Constant(1 - options.dampening);
  ForVectors(count, [&](int64_t i, const auto& store) {
    const auto p = hn::LoadU(d, arrays.parameter + i);
    const auto g = hn::MulAdd(decay, p, hn::LoadU(d, arrays.grad + i));
    auto step = g;
    if (arrays.next_first != nullptr) {
      auto buffer = g;
      if (arrays.first != nullptr) {
        buffer = hn::MulAdd(momentum, hn::LoadU(d, arrays.first + i), hn::Mul(fresh, g));
      }
      store(buffer, arrays.next_first);
      step = options.nesterov ? hn::MulAdd(momentum, buffer, g) : buffer;
    }
    store(hn::NegMulAdd(lr, step, p), arrays.next_parameter);
  });
}

// `first` is the average of squares, `second` the momentum buffer.
void RmspropRange(const RmspropOptions& options, const Arrays& arrays, int64_t count) {
  const Tag d;
  const auto lr = Constant(options.lr), decay = Constant(options.weight_decay);
  const auto alpha = Constant(options.alpha), fresh = Constant(1 - options.alpha);
  const auto eps = Constant(options.eps), momentum = Constant(options.momentum);
  ForVectors(count, [&](int64_t i, const auto& store) {
    const auto p = hn::LoadU(d, arrays.parameter + i);
    const auto g = hn::MulAdd(decay, p, hn::LoadU(d, arrays.grad + i));
    const auto average =
        hn::MulAdd(alpha, LoadOrZero(arrays.first, i), hn::Mul(fresh, hn::Mul(g, g)));
    store(average, arrays.next_first);
    auto step = hn::Div(g, hn::Add(hn::Sqrt(average), eps));
    if (arrays.next_second != nullptr) {
      step = hn::MulAdd(momentum, LoadOrZero(arrays.second, i), step);
      store(step, arrays.next_second);
    }
    store(hn::NegMulAdd(lr, step, p), arrays.next_parameter);
  });
}

// `first` is the average, `second` that of squares. The corrections of the averages' early bias are
// double until they are applied: 1 - beta2^step loses three digits in float.
void AdamRange(const AdamOptions& options, const Arrays& arrays, int64_t count) {
  const Tag d;
  const auto steps = static_cast<double>(options.step);
  const auto lr = Constant(options.lr / (1 - std::pow(options.beta1, steps)));
  const auto correction = Constant(1 / std::sqrt(1 - std::pow(options.beta2, steps)));
  const auto decay = Constant(options.decoupled ? 0 : options.weight_decay);
  const auto keep = Constant(options.decoupled ? 1 - options.lr * options.weight_decay : 1);
  const auto beta1 = Constant(options.beta1), fresh1 = Constant(1 - options.beta1);
  const auto beta2 = Constant(options.beta2), fresh2 = Constant(1 - options.beta2);
  const auto eps = Constant(options.eps);
  ForVectors(count, [&](int64_t i, const auto& store) {
    const auto p = hn::LoadU(d, arrays.parameter + i);
    const auto g = hn::MulAdd(decay, p, hn::LoadU(d, arrays.grad + i));
    const auto average = hn::MulAdd(beta1, LoadOrZero(arrays.first, i), hn::Mul(fresh1, g));
    const auto square =
        hn::MulAdd(beta2, LoadOrZero(arrays.second, i), hn::Mul(fresh2, hn::Mul(g, g)));
    store(average, arrays.next_first);
    store(square, arrays.next_second);
    const auto root = hn::MulAdd(hn::Sqrt(square), correction, eps);
    const auto step = hn::Div(hn::Mul(lr, average), root);
    store(hn::Sub(hn::Mul(keep, p), step), arrays.next_parameter);
  });
}

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

template <typename Options>
void Run(void (*range)(const Options&, const Arrays&, int64_t), const Options& options,
         const Arrays& arrays, int64_t elements, ThreadPool& pool) {
  ForLines(pool, elements,
           [&](int64_t begin, int64_t count) { range(options, arrays.From(begin), count); });
}

}  // namespace

void SgdStep(const SgdOptions& options, Storage& grad, const SgdState& before,
             const SgdState& after, ThreadPool& pool) {
  const Arrays arrays = {.parameter = Read(before.parameter, pool),
                         .grad = RowMajor(grad, pool),
                         .first = Read(before.buffer, pool),
                         .second = nullptr,
                         .next_parameter = Write(after.parameter),
                         .next_first = Write(after.buffer),
                         .next_second = nullptr};
  Run(CONVLSTM_SIMD(CurrentIsa(), SgdRange), options, arrays, grad.elements(), pool);
}

void RmspropStep(const RmspropOptions& options, Storage& grad, const RmspropState& before,
                 const RmspropState& after, ThreadPool& pool) {
  const Arrays arrays = {.parameter = Read(before.parameter, pool),
                         .grad = RowMajor(grad, pool),
                         .first = Read(before.square_average, pool),
                         .second = Read(before.buffer, pool),
                         .next_parameter = Write(after.parameter),
                         .next_first = Write(after.square_average),
                         .next_second = Write(after.buffer)};
  Run(CONVLSTM_SIMD(CurrentIsa(), RmspropRange), options, arrays, grad.elements(), pool);
}

void AdamStep(const AdamOptions& options, Storage& grad, const AdamState& before,
              const AdamState& after, ThreadPool& pool) {
  const Arrays arrays = {.parameter = Read(before.parameter, pool),
                         .grad = RowMajor(grad, pool),
                         .first = Read(before.average, pool),
                         .second = Read(before.square_average, pool),
                         .next_parameter = Write(after.parameter),
                         .next_first = Write(after.average),
                         .next_second = Write(after.square_average)};
  Run(CONVLSTM_SIMD(CurrentIsa(), AdamRange), options, arrays, grad.elements(), pool);
}

}  // namespace convlstm::cpu
#endif
