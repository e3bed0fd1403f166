// exp, log and log(1 + exp(x)) over all of float32, per Highway target: within 2 ulp, subnormal,
// infinite and NaN arguments and results included (test/native/elementwise_test.cc).

#if defined(CONVLSTM_CPU_SIMD_EXP_LOG_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_SIMD_EXP_LOG_INL_H_
#undef CONVLSTM_CPU_SIMD_EXP_LOG_INL_H_
#else
#define CONVLSTM_CPU_SIMD_EXP_LOG_INL_H_
#endif

#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// exp(x) = 2^n * exp(r) with |r| <= ln(2) / 2. 2^n is applied as two factors: n ranges from -151 to
// 129, an exponent only from -126 to 127.
template <class D>
HWY_INLINE hn::Vec<D> Exp(D d, hn::Vec<D> x) {
  const hn::RebindToSigned<D> di;
  // NaN compares false and passes both bounds; the result restores it.
  const auto low = hn::Set(d, -104.0f), high = hn::Set(d, 89.0f);
  auto bounded = hn::IfThenElse(hn::Lt(x, low), low, x);
  bounded = hn::IfThenElse(hn::Lt(high, bounded), high, bounded);
  const auto n = hn::NearestInt(hn::Mul(bounded, hn::Set(d, 1.44269504f)));
  const auto nf = hn::ConvertTo(d, n);
  auto r = hn::NegMulAdd(nf, hn::Set(d, 0.693359375f), bounded);
  r = hn::NegMulAdd(nf, hn::Set(d, -2.12194440e-4f), r);
  auto q = hn::MulAdd(r, hn::Set(d, 1.9875691500e-4f), hn::Set(d, 1.3981999507e-3f));
  q = hn::MulAdd(q, r, hn::Set(d, 8.3334519073e-3f));
  q = hn::MulAdd(q, r, hn::Set(d, 4.1665795894e-2f));
  q = hn::MulAdd(q, r, hn::Set(d, 1.6666665459e-1f));
  q = hn::MulAdd(q, r, hn::Set(d, 5.0000001201e-1f));
  const auto exp_r = hn::Add(hn::MulAdd(hn::Mul(r, r), q, r), hn::Set(d, 1.0f));
  const auto power_of_two = [&](auto exponent) {
    return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(exponent, hn::Set(di, 127))));
  };
  const auto half = hn::ShiftRight<1>(n);
  const auto scaled = hn::Mul(hn::Mul(exp_r, power_of_two(half)), power_of_two(hn::Sub(n, half)));
  return hn::IfThenElse(hn::IsNaN(x), x, scaled);
}

// log(x) = k ln(2) + log(1 + f) with sqrt(1/2) < 1 + f < sqrt(2), and
// log(1 + f) = f - f^2 / 2 + s (f^2 / 2 + P(s^2)) with s = f / (2 + f).
template <class D>
HWY_INLINE hn::Vec<D> Log(D d, hn::Vec<D> x) {
  const hn::RebindToSigned<D> di;
  const auto zero = hn::Zero(d);
  const auto subnormal = hn::Lt(x, hn::Set(d, std::numeric_limits<float>::min()));
  const auto normal = hn::IfThenElse(subnormal, hn::Mul(x, hn::Set(d, 0x1p25f)), x);
  // Subtracting the bits of sqrt(1/2) rounds the exponent.
  constexpr int32_t kHalfRootBits = 0x3f3504f3;
  const auto offset = hn::Sub(hn::BitCast(di, normal), hn::Set(di, kHalfRootBits));
  const auto exponent = hn::ShiftRight<23>(offset);
  const auto mantissa =
      hn::BitCast(d, hn::Add(hn::And(offset, hn::Set(di, 0x007fffff)), hn::Set(di, kHalfRootBits)));
  const auto k =
      hn::Sub(hn::ConvertTo(d, exponent), hn::IfThenElseZero(subnormal, hn::Set(d, 25.0f)));
  const auto f = hn::Sub(mantissa, hn::Set(d, 1.0f));
  const auto s = hn::Div(f, hn::Add(hn::Set(d, 2.0f), f));
  const auto z = hn::Mul(s, s);
  auto p = hn::MulAdd(z, hn::Set(d, 0.24279078841f), hn::Set(d, 0.28498786688f));
  p = hn::MulAdd(p, z, hn::Set(d, 0.40000972152f));
  p = hn::MulAdd(p, z, hn::Set(d, 0.66666662693f));
  p = hn::Mul(p, z);
  const auto half_square = hn::Mul(hn::Set(d, 0.5f), hn::Mul(f, f));
  const auto low =
      hn::MulAdd(k, hn::Set(d, 9.0580006145e-06f), hn::Mul(s, hn::Add(half_square, p)));
  auto result = hn::Add(hn::Sub(low, half_square), f);
  result = hn::MulAdd(k, hn::Set(d, 6.9313812256e-01f), result);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  result = hn::IfThenElse(hn::Eq(x, hn::Set(d, kInfinity)), x, result);
  result = hn::IfThenElse(hn::Eq(x, zero), hn::Set(d, -kInfinity), result);
  const auto undefined = hn::Or(hn::Lt(x, zero), hn::IsNaN(x));
  return hn::IfThenElse(undefined, hn::Set(d, std::numeric_limits<float>::quiet_NaN()), result);
}

// log(1 + exp(x)) = max(x, 0) + log(1 + u) with u = exp(-|x|). The rounding of 1 + u to float32 w
// is corrected: log(1 + u) = log(w) + (u - (w - 1)) / w.
template <class D>
HWY_INLINE hn::Vec<D> Softplus(D d, hn::Vec<D> x) {
  const auto zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  const auto u = Exp(d, hn::Or(x, hn::SignBit(d)));
  const auto w = hn::Add(one, u);
  const auto lost = hn::Sub(u, hn::Sub(w, one));
  const auto log1p = hn::Add(Log(d, w), hn::Div(lost, w));
  return hn::Add(hn::IfThenElse(hn::Lt(x, zero), zero, x), log1p);
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_SIMD_EXP_LOG_INL_H_
