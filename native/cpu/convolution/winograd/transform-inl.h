// The transforms of a Winograd axis on vectors of channels, per Highway target. With paired points,
// F(4, 3) takes 12 fused multiply-adds for its 6 inputs and 10 operations for its outputs.

#if defined(CONVLSTM_CPU_CONVOLUTION_WINOGRAD_TRANSFORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_TRANSFORM_INL_H_
#undef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_TRANSFORM_INL_H_
#else
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_TRANSFORM_INL_H_
#endif

#include "cpu/convolution/winograd/axis.h"
#include "cpu/simd/inline-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// sum of coefficients[k] * values[2 * k] for k < kTerms; the last coefficient is 1.
template <size_t kTerms, class D, size_t kCount>
CONVLSTM_INLINE hn::Vec<D> MonicSum(D d, const std::array<float, kCount>& coefficients,
                                    const hn::Vec<D>* values) {
  auto sum = values[2 * (kTerms - 1)];
  CONVLSTM_UNROLL
  for (size_t term = 1; term < kTerms; ++term) {
    const size_t k = kTerms - 1 - term;
    sum = hn::MulAdd(hn::Set(d, coefficients[k]), values[2 * k], sum);
  }
  return sum;
}

// products[kPoints] from inputs[kPoints]. The value at a pair +-p is e +- p * o, e from the even
// powers and o from the odd ones.
template <class Axis, class D>
CONVLSTM_INLINE void TransformInput(D d, const hn::Vec<D>* inputs, hn::Vec<D>* products) {
  constexpr size_t kPairs = Axis::kPairs;
  constexpr const auto& kCoefficients = kWinogradCoefficients<Axis>;
  constexpr const auto& kAll = kCoefficients.polynomials[kPairs];
  products[0] = MonicSum<kPairs + 1>(d, kAll, inputs);
  products[Axis::kPoints - 1] = MonicSum<kPairs + 1>(d, kAll, inputs + 1);
  CONVLSTM_UNROLL
  for (size_t pair = 0; pair < kPairs; ++pair) {
    const auto& others = kCoefficients.polynomials[pair];
    const auto even = MonicSum<kPairs>(d, others, inputs + 2);
    const auto odd = MonicSum<kPairs>(d, others, inputs + 1);
    const auto point = hn::Set(d, kCoefficients.points[pair]);
    products[1 + 2 * pair] = hn::MulAdd(point, odd, even);
    products[2 + 2 * pair] = hn::NegMulAdd(point, odd, even);
  }
}

// outputs[j] = the sum over the points of point^j * product, j < kOutputs; the product of infinity
// joins the last output.
template <class Axis, class D>
CONVLSTM_INLINE void TransformOutput(D d, const hn::Vec<D>* products, hn::Vec<D>* outputs) {
  constexpr size_t kPairs = Axis::kPairs;
  constexpr const auto& kPowers = kWinogradCoefficients<Axis>.powers;
  hn::Vec<D> sums[kPairs], differences[kPairs];
  CONVLSTM_UNROLL
  for (size_t pair = 0; pair < kPairs; ++pair) {
    sums[pair] = hn::Add(products[1 + 2 * pair], products[2 + 2 * pair]);
    differences[pair] = hn::Sub(products[1 + 2 * pair], products[2 + 2 * pair]);
  }
  CONVLSTM_UNROLL
  for (size_t j = 0; j < Axis::kOutputs; ++j) {
    const hn::Vec<D>* half = j % 2 == 0 ? sums : differences;
    hn::Vec<D> output;
    size_t first = 0;
    if (j == 0) {
      output = products[0];
    } else if (j == Axis::kOutputs - 1) {
      output = products[Axis::kPoints - 1];
    } else {
      output = hn::Mul(hn::Set(d, kPowers[j][0]), half[0]);
      first = 1;
    }
    CONVLSTM_UNROLL
    for (size_t pair = first; pair < kPairs; ++pair) {
      const float power = kPowers[j][pair];
      output = power == 1 ? hn::Add(output, half[pair])
                          : hn::MulAdd(hn::Set(d, power), half[pair], output);
    }
    outputs[j] = output;
  }
}

// The transpose of TransformOutput: products[k] = the sum over j of point^j * outputs[j], the
// gradients of the products from those of the outputs.
template <class Axis, class D>
CONVLSTM_INLINE void TransformOutputGradient(D d, const hn::Vec<D>* outputs, hn::Vec<D>* products) {
  constexpr const auto& kPowers = kWinogradCoefficients<Axis>.powers;
  products[0] = outputs[0];
  products[Axis::kPoints - 1] = outputs[Axis::kOutputs - 1];
  CONVLSTM_UNROLL
  for (size_t pair = 0; pair < Axis::kPairs; ++pair) {
    auto even = outputs[0];
    auto odd = hn::Mul(hn::Set(d, kPowers[1][pair]), outputs[1]);
    CONVLSTM_UNROLL
    for (size_t j = 2; j < Axis::kOutputs; ++j) {
      auto& half = j % 2 == 0 ? even : odd;
      half = hn::MulAdd(hn::Set(d, kPowers[j][pair]), outputs[j], half);
    }
    products[1 + 2 * pair] = hn::Add(even, odd);
    products[2 + 2 * pair] = hn::Sub(even, odd);
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_TRANSFORM_INL_H_
