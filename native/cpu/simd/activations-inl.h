// Sigmoid and tanh, per Highway target.
//
// Sigmoid and Tanh hold to float32 over the whole range (test/native/activations_test.cc):
//   Sigmoid  <= 2.2 ulp down to x = -87.6; the results below it, all smaller than 9e-39, become 0.
//   Tanh     <= 2.5 ulp, also for tiny x, where tanh(x) is x.
// Infinities give 0, 1 and -1, NaN stays NaN.

#if defined(CONVLSTM_CPU_SIMD_ACTIVATIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_SIMD_ACTIVATIONS_INL_H_
#undef CONVLSTM_CPU_SIMD_ACTIVATIONS_INL_H_
#else
#define CONVLSTM_CPU_SIMD_ACTIVATIONS_INL_H_
#endif

#include "cpu/simd/inline-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
using VecOf = hn::Vec<D>;

// max(low, v) and min(high, v) that pass on a NaN in v, as x86 does for its second operand.
template <class D>
HWY_INLINE VecOf<D> AtLeast(D, VecOf<D> low, VecOf<D> v) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
  return hn::Max(low, v);
#else
  return hn::IfThenElse(hn::Lt(v, low), low, v);
#endif
}
template <class D>
HWY_INLINE VecOf<D> AtMost(D, VecOf<D> high, VecOf<D> v) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
  return hn::Min(high, v);
#else
  return hn::IfThenElse(hn::Lt(high, v), high, v);
#endif
}

// n / d for 2^-126 < d < 2^126. A 512-bit division takes 10 to 16 cycles; an estimate of 14 bits,
// corrected by the remainder, takes four instructions and is within 1 ulp. Narrower dividers run
// beside the multipliers and cost one instruction.
template <class D>
HWY_INLINE VecOf<D> Divide(D, VecOf<D> n, VecOf<D> d) {
#if HWY_TARGET == HWY_AVX3
  const auto estimate = hn::ApproximateReciprocal(d);
  const auto quotient = hn::Mul(n, estimate);
  return hn::MulAdd(hn::NegMulAdd(d, quotient, n), estimate, quotient);
#else
  return hn::Div(n, d);
#endif
}

// Splits x / ln(2) into its nearest integer `exponent` and `scale` = 2^exponent. The argument is
// x / ln(2) plus `magic`, which leaves exponent + 127 in the low bits of the mantissa; a shift
// moves it into the exponent's place.
template <class D>
struct PowerOfTwo {
  VecOf<D> scale;
  VecOf<D> exponent;
};
template <class D>
HWY_INLINE PowerOfTwo<D> SplitExponent(D d, VecOf<D> multiple_plus_magic) {
  const hn::RebindToUnsigned<D> du;
  const auto magic = hn::Set(d, 12583039.0f);  // 1.5 * 2^23 + 127
  return {hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(du, multiple_plus_magic))),
          hn::Sub(multiple_plus_magic, magic)};
}

// exp(x) - 1 = scale * expm1 + (scale - 1) for -88 <= x <= 0. The polynomial's error is 3.6e-9
// relative to exp(x).
template <class D>
struct ExpParts {
  VecOf<D> scale;
  VecOf<D> expm1;
};
template <class D>
CONVLSTM_INLINE ExpParts<D> ExpOfNegative(D d, VecOf<D> x) {
  const auto split =
      SplitExponent(d, hn::MulAdd(x, hn::Set(d, 1.44269504f), hn::Set(d, 12583039.0f)));
  // ln(2) in two parts, the first short enough for exact products without FMA.
  auto r = hn::NegMulAdd(split.exponent, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(split.exponent, hn::Set(d, -2.12194440e-4f), r);
  auto q = hn::MulAdd(r, hn::Set(d, 0.0013814540579915047f), hn::Set(d, 0.00836874544620514f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.04166838899254799f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.1666652113199234f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.4999999403953552f));
  return {split.scale, hn::MulAdd(hn::Mul(r, r), q, r)};
}

// exp(-|x|) / (1 + exp(-|x|)) or 1 / (1 + exp(-|x|)): nothing overflows, and the far tail keeps its
// relative accuracy. At round(x / ln(2)) = -127 scale is 0.
template <class D>
CONVLSTM_INLINE VecOf<D> Sigmoid(D d, VecOf<D> x) {
  const auto one = hn::Set(d, 1.0f);
  const auto negative = AtLeast(d, hn::Set(d, -88.0f), hn::Or(x, hn::SignBit(d)));
  const ExpParts<D> parts = ExpOfNegative(d, negative);
  const auto e = hn::MulAdd(parts.expm1, parts.scale, parts.scale);
  return Divide(d, hn::IfNegativeThenElse(x, e, one), hn::Add(one, e));
}

// tanh|x| = -m / (2 + m) with m = exp(-2|x|) - 1.
template <class D>
CONVLSTM_INLINE VecOf<D> Tanh(D d, VecOf<D> x) {
  const auto twice = hn::Or(hn::Add(x, x), hn::SignBit(d));
  const ExpParts<D> parts = ExpOfNegative(d, AtLeast(d, hn::Set(d, -40.0f), twice));
  const auto m = hn::MulAdd(parts.expm1, parts.scale, hn::Sub(parts.scale, hn::Set(d, 1.0f)));
  return hn::CopySign(Divide(d, m, hn::Add(hn::Set(d, 2.0f), m)), x);
}

// 2^t - 1 = scale * minus_one + (scale - 1), with a relative error of 2^t of 2e-8. For cells, which
// need absolute accuracy only.
template <class D>
struct Exp2Parts {
  VecOf<D> scale;
  VecOf<D> minus_one;
};
template <class D>
CONVLSTM_INLINE Exp2Parts<D> Exp2(D d, VecOf<D> t) {
  const auto split = SplitExponent(d, hn::Add(t, hn::Set(d, 12583039.0f)));
  const auto r = hn::Sub(t, split.exponent);
  auto q = hn::MulAdd(r, hn::Set(d, 0.00015353309572674334f), hn::Set(d, 0.0013398939045146108f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.009618437848985195f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.055503323674201965f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.24022647738456726f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.6931471824645996f));
  return {split.scale, hn::Mul(r, q)};
}

// The denominator of sigmoid(x) = 1 / (1 + exp(-x)), at most 2^98, so that a product with another
// denominator does not overflow: sigmoid is then at least 3e-30.
template <class D>
CONVLSTM_INLINE VecOf<D> SigmoidDenominator(D d, VecOf<D> x) {
  auto t = hn::Mul(x, hn::Set(d, -1.44269504f));
  t = AtMost(d, hn::Set(d, 98.0f), AtLeast(d, hn::Set(d, -98.0f), t));
  const Exp2Parts<D> e = Exp2(d, t);
  return hn::MulAdd(e.minus_one, e.scale, hn::Add(e.scale, hn::Set(d, 1.0f)));
}

// tanh(x) = m / (m + 2) with m = exp(2x) - 1.
template <class D>
struct Fraction {
  VecOf<D> numerator;
  VecOf<D> denominator;
};
template <class D>
CONVLSTM_INLINE Fraction<D> TanhFraction(D d, VecOf<D> x) {
  auto t = hn::Mul(x, hn::Set(d, 2.88539008f));
  t = AtMost(d, hn::Set(d, 26.0f), AtLeast(d, hn::Set(d, -26.0f), t));
  const Exp2Parts<D> e = Exp2(d, t);
  const auto m = hn::MulAdd(e.minus_one, e.scale, hn::Sub(e.scale, hn::Set(d, 1.0f)));
  return {m, hn::Add(m, hn::Set(d, 2.0f))};
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_SIMD_ACTIVATIONS_INL_H_
