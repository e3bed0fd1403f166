// The LSTM cell's update and its gradient on vectors of channels, per Highway target.
//
// The update needs absolute accuracy only (2e-7 on a gate), which makes it a third cheaper than
// Sigmoid and Tanh: it reduces the argument in base 2 in one step, and i * g and o * tanh(c) share
// one division each.

#if defined(CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_INL_H_
#undef CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_INL_H_
#else
#define CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_INL_H_
#endif

#include "cpu/conv_lstm/cell-inl.h"
#include "cpu/conv_lstm/lstm_cell.h"
#include "cpu/simd/activations-inl.h"
#include "cpu/simd/inline-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

template <>
struct CellMath<LstmCell> {
  template <bool kPeephole, bool kSaves, class D>
  static CONVLSTM_INLINE CellState<D> Update(D d, const VecOf<D>* sums, VecOf<D> c,
                                             const VecOf<D>* peepholes, VecOf<D>* gates) {
    const auto one = hn::Set(d, 1.0f);
    const auto sum_i = kPeephole ? hn::MulAdd(peepholes[0], c, sums[0]) : sums[0];
    const auto sum_f = kPeephole ? hn::MulAdd(peepholes[1], c, sums[1]) : sums[1];
    const Fraction<D> g = TanhFraction(d, sums[3]);
    const auto denominator_i = SigmoidDenominator(d, sum_i);
    const auto input = Divide(d, g.numerator, hn::Mul(denominator_i, g.denominator));
    const auto forget = Divide(d, one, SigmoidDenominator(d, sum_f));
    const auto next_c = hn::MulAdd(forget, c, input);
    const auto sum_o = kPeephole ? hn::MulAdd(peepholes[2], next_c, sums[2]) : sums[2];
    const Fraction<D> tanh_c = TanhFraction(d, next_c);
    const auto denominator_o = SigmoidDenominator(d, sum_o);
    if constexpr (kSaves) {
      gates[0] = Divide(d, one, denominator_i);
      gates[1] = forget;
      gates[2] = Divide(d, one, denominator_o);
      gates[3] = Divide(d, g.numerator, g.denominator);
    }
    return {next_c, Divide(d, tanh_c.numerator, hn::Mul(denominator_o, tanh_c.denominator))};
  }

  // c after the step is computed again from the gates, which costs less than reading it.
  template <bool kPeephole, class D>
  static CONVLSTM_INLINE VecOf<D> Gradient(D d, const VecOf<D>* gates, VecOf<D> c_in,
                                           const VecOf<D>* peepholes, const CellState<D>& grad,
                                           VecOf<D>* deltas, VecOf<D>* seen) {
    const auto one = hn::Set(d, 1.0f);
    const auto i = gates[0], f = gates[1], o = gates[2], g = gates[3];
    const auto c = hn::MulAdd(f, c_in, hn::Mul(i, g));
    const Fraction<D> fraction = TanhFraction(d, c);
    const auto tanh_c = Divide(d, fraction.numerator, fraction.denominator);
    const auto o_delta = hn::Mul(hn::Mul(grad.h, tanh_c), hn::Mul(o, hn::Sub(one, o)));
    auto c_grad = hn::MulAdd(hn::Mul(grad.h, o), hn::NegMulAdd(tanh_c, tanh_c, one), grad.c);
    if constexpr (kPeephole) c_grad = hn::MulAdd(o_delta, peepholes[2], c_grad);
    const auto i_delta = hn::Mul(hn::Mul(c_grad, g), hn::Mul(i, hn::Sub(one, i)));
    const auto f_delta = hn::Mul(hn::Mul(c_grad, c_in), hn::Mul(f, hn::Sub(one, f)));
    const auto g_delta = hn::Mul(hn::Mul(c_grad, i), hn::NegMulAdd(g, g, one));
    auto c_in_grad = hn::Mul(c_grad, f);
    if constexpr (kPeephole) {
      c_in_grad = hn::MulAdd(i_delta, peepholes[0], c_in_grad);
      c_in_grad = hn::MulAdd(f_delta, peepholes[1], c_in_grad);
      seen[0] = seen[1] = c_in;
      seen[2] = c;
    }
    deltas[0] = i_delta;
    deltas[1] = f_delta;
    deltas[2] = o_delta;
    deltas[3] = g_delta;
    return c_in_grad;
  }
};

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_INL_H_
