// Memory is the limit here: of every channel and pixel 5 values are read that the forward pass
// saved and 3 gradients, and 5 are written, against 60 to 80 instructions. So all is one pass,
// pixel after pixel as memory has them. c of the step itself is made again from the gates, which
// costs less than reading it.
#include "cpu/conv_lstm/delta.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_lstm/delta.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include "cpu/simd/activations-inl.h"
#include "cpu/simd/lanes-inl.h"
#include "hwy/highway.h"

#ifndef CONVLSTM_CPU_CONV_LSTM_DELTA_CC_
#define CONVLSTM_CPU_CONV_LSTM_DELTA_CC_

#include <algorithm>
#include <type_traits>
#include <vector>

#include "cpu/frames/layout.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {

constexpr int64_t kDeltaSums = 7;  // of i, f, o, g, wci, wcf, wco

// Some pixels of one frame, each pointer at the first of them.
struct DeltaPixels {
  int64_t count;
  int64_t hidden;
  GatePointer gates;  // become the deltas
  float* deltas;      // in float32, null where they are so in the gates' place
  const float* c_in;
  const float* h_grad;
  const float* output_grad;
  float* c_grad;
  // wci, wcf, wco: `plane` floats apart, `pixel_stride` (0 for one of each channel) from pixel to
  // pixel. Null for none.
  const float* peepholes;
  int64_t plane;
  int64_t pixel_stride;
  float* sums;          // [kDeltaSums][hidden] to add to, null for none
  float* spatial_sums;  // laid out as the peepholes, null for none
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_DELTA_CC_

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

// One vector of channels of one pixel; the gates are of type Gate.
template <class Gate, class D, class Lanes>
HWY_INLINE void DeltaOf(D d, const DeltaPixels& p, int64_t pixel, int64_t channel,
                        const Lanes& lanes) {
  using V = VecOf<D>;
  // The channel's place in frames of `hidden` channels, and in the gates.
  const int64_t at = pixel * p.hidden + channel, gate_at = at + 3 * pixel * p.hidden;
  const auto load_or_zero = [&](const float* from) HWY_ATTR {
    return from == nullptr ? hn::Zero(d) : lanes.Load(from + at);
  };
  const V one = hn::Set(d, 1.0f);
  Gate* const gates = p.gates.template as<Gate>() + gate_at;
  const V i = lanes.Load(gates), f = lanes.Load(gates + p.hidden);
  const V o = lanes.Load(gates + 2 * p.hidden), g = lanes.Load(gates + 3 * p.hidden);
  const V c_in = load_or_zero(p.c_in);
  const V h_grad = hn::Add(load_or_zero(p.h_grad), load_or_zero(p.output_grad));

  const V c = hn::MulAdd(f, c_in, hn::Mul(i, g));
  const Fraction<D> fraction = TanhFraction(d, c);
  const V tanh_c = Divide(d, fraction.numerator, fraction.denominator);
  const V o_delta = hn::Mul(hn::Mul(h_grad, tanh_c), hn::Mul(o, hn::Sub(one, o)));
  V c_grad =
      hn::MulAdd(hn::Mul(h_grad, o), hn::NegMulAdd(tanh_c, tanh_c, one), lanes.Load(p.c_grad + at));
  const float* peephole =
      p.peepholes == nullptr ? nullptr : p.peepholes + pixel * p.pixel_stride + channel;
  if (peephole != nullptr) c_grad = hn::MulAdd(o_delta, lanes.Load(peephole + 2 * p.plane), c_grad);
  const V i_delta = hn::Mul(hn::Mul(c_grad, g), hn::Mul(i, hn::Sub(one, i)));
  const V f_delta = hn::Mul(hn::Mul(c_grad, c_in), hn::Mul(f, hn::Sub(one, f)));
  const V g_delta = hn::Mul(hn::Mul(c_grad, i), hn::NegMulAdd(g, g, one));
  V c_in_grad = hn::Mul(c_grad, f);
  if (peephole != nullptr) {
    c_in_grad = hn::MulAdd(i_delta, lanes.Load(peephole), c_in_grad);
    c_in_grad = hn::MulAdd(f_delta, lanes.Load(peephole + p.plane), c_in_grad);
  }

  const auto store = [&](V delta, int64_t gate) HWY_ATTR {
    if constexpr (std::is_same_v<Gate, float>) {
      lanes.Store(delta, gates + gate * p.hidden);
    } else {
      lanes.StoreBfloat16(delta, gates + gate * p.hidden);
      lanes.Store(delta, p.deltas + gate_at + gate * p.hidden);
    }
  };
  store(i_delta, 0);
  store(f_delta, 1);
  store(o_delta, 2);
  store(g_delta, 3);
  lanes.Store(c_in_grad, p.c_grad + at);

  const auto add = [&](V value, float* to)
                       HWY_ATTR { lanes.Store(hn::Add(lanes.Load(to), value), to); };
  const auto add_product = [&](V a, V b, float* to)
                               HWY_ATTR { lanes.Store(hn::MulAdd(a, b, lanes.Load(to)), to); };
  if (p.sums != nullptr) {
    float* const sums = p.sums + channel;
    add(i_delta, sums);
    add(f_delta, sums + p.hidden);
    add(o_delta, sums + 2 * p.hidden);
    add(g_delta, sums + 3 * p.hidden);
    if (peephole != nullptr && p.pixel_stride == 0) {
      add_product(i_delta, c_in, sums + 4 * p.hidden);
      add_product(f_delta, c_in, sums + 5 * p.hidden);
      add_product(o_delta, c, sums + 6 * p.hidden);
    }
  }
  if (p.spatial_sums != nullptr) {
    float* const sums = p.spatial_sums + at;
    add_product(i_delta, c_in, sums);
    add_product(f_delta, c_in, sums + p.plane);
    add_product(o_delta, c, sums + 2 * p.plane);
  }
}

template <class Gate>
void DeltasOfGates(const DeltaPixels& p) {
  using D = hn::ScalableTag<float>;
  const D d;
  const int64_t lanes = hn::Lanes(d), whole = p.hidden / lanes * lanes;
  const size_t rest = p.hidden - whole;
  for (int64_t pixel = 0; pixel < p.count; ++pixel) {
    for (int64_t channel = 0; channel < whole; channel += lanes) {
      DeltaOf<Gate>(d, p, pixel, channel, AllLanes<D>{});
    }
    if (rest > 0) DeltaOf<Gate>(d, p, pixel, whole, FirstLanes<D>{rest});
  }
}

}  // namespace

void DeltasOf(const DeltaPixels& p) {
  if (p.gates.format() == SavedFormat::k16Bits) {
    DeltasOfGates<int16_t>(p);
  } else {
    DeltasOfGates<float>(p);
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

ConvLstmDeltas::ConvLstmDeltas(const ConvLstmShape& shape, const ConvLstmWeights& weights,
                               bool wants_bias, bool wants_peepholes, Isa isa, ThreadPool& pool)
    : shape_(shape),
      isa_(isa),
      pool_(pool),
      spatial_(weights.peephole == Peephole::kSpatial),
      wants_sums_(wants_bias || (wants_peepholes && !spatial_)),
      sums_(wants_sums_ ? pool.threads() * kDeltaSums * shape.hidden_dim : 0) {
  if (weights.peephole == Peephole::kNone) return;
  const int64_t pixels = spatial_ ? shape.pixels() : 1, plane = shape.hidden_dim * pixels;
  peepholes_ = Buffer::AllocateArray<float>(3 * plane);
  float* to = peepholes_.as<float>();
  for (const float* rows : {weights.wci, weights.wcf, weights.wco}) {
    TransposeFrames(1, shape.hidden_dim, pixels, rows, to, pool);
    to += plane;
  }
  if (spatial_ && wants_peepholes) {
    spatial_sums_ = Buffer::AllocateArray<float>(3 * plane);
    std::fill_n(spatial_sums_.as<float>(), 3 * plane, 0.0f);
  }
}

// A thread has the same pixels of every frame, so that a pixel's peepholes are its own.
void ConvLstmDeltas::Run(const ConvLstmDeltaStep& step) {
  const auto deltas_of = CONVLSTM_SIMD(isa_, DeltasOf);
  const int64_t hidden = shape_.hidden_dim, batch = shape_.batch, pixels = shape_.pixels();
  // Sums in float32 are no longer than this before they join those in float64.
  constexpr int64_t kRun = 64;
  pool_.Run([&](int part) {
    const Range range = SplitRange(pixels, part, pool_.threads());
    std::vector<float> sums(wants_sums_ ? kDeltaSums * hidden : 0);
    double* const totals = wants_sums_ ? sums_.data() + part * kDeltaSums * hidden : nullptr;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t first = range.begin; first < range.end; first += kRun) {
        const int64_t at = first * hidden;
        const auto place = [&](const float* const* frames) {
          return frames == nullptr ? nullptr : frames[b] + at;
        };
        DeltaPixels p = {std::min(kRun, range.end - first),
                         hidden,
                         step.gates[b] + 4 * at,
                         step.deltas == nullptr ? nullptr : step.deltas[b] + 4 * at,
                         place(step.c_in),
                         place(step.h_grad),
                         place(step.output_grad),
                         step.c_grad[b] + at,
                         nullptr,
                         spatial_ ? hidden * pixels : hidden,
                         spatial_ ? hidden : 0,
                         nullptr,
                         nullptr};
        const int64_t peephole_at = spatial_ ? at : 0;
        if (peepholes_) p.peepholes = peepholes_.as<float>() + peephole_at;
        if (spatial_sums_) p.spatial_sums = spatial_sums_.as<float>() + peephole_at;
        if (wants_sums_) {
          std::fill(sums.begin(), sums.end(), 0.0f);
          p.sums = sums.data();
        }
        deltas_of(p);
        for (size_t k = 0; k < sums.size(); ++k) totals[k] += sums[k];
      }
    }
  });
}

void ConvLstmDeltas::Finish(float* bias, const std::array<float*, 3>& peepholes) {
  const int64_t hidden = shape_.hidden_dim;
  const auto total = [&](int64_t index) {
    double sum = 0;
    for (size_t k = index; k < sums_.size(); k += kDeltaSums * hidden) sum += sums_[k];
    return static_cast<float>(sum);
  };
  if (bias != nullptr) {
    for (int64_t k = 0; k < 4 * hidden; ++k) bias[k] = total(k);
  }
  const float* spatial = spatial_sums_.as<float>();
  int64_t index = 4 * hidden;
  for (float* const peephole : peepholes) {
    if (peephole != nullptr && spatial_) {
      TransposeFrames(1, shape_.pixels(), hidden, spatial, peephole, pool_);
    } else if (peephole != nullptr) {
      for (int64_t k = 0; k < hidden; ++k) peephole[k] = total(index + k);
    }
    index += hidden;
    if (spatial_sums_) spatial += hidden * shape_.pixels();
  }
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
