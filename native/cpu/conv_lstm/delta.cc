// Memory bounds this pass: a channel of a pixel reads 5 saved values and 3 gradients and writes 5,
// in 60 to 80 instructions. So it is one pass in the order of memory, sums included.
#include "cpu/conv_lstm/delta.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_lstm/delta.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include "cpu/conv_lstm/cell-inl.h"
#include "cpu/conv_lstm/lstm_cell-inl.h"
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

// A run of pixels of one frame; pointers are at the first.
struct DeltaPixels {
  int64_t count;
  int64_t hidden;
  GatePointer gates;  // overwritten by deltas
  float* deltas;      // float32; only with k16Bits
  const float* c_in;  // this and the next two: null for zeros
  const float* h_grad;
  const float* output_grad;
  float* c_grad;
  // `plane` floats from one peephole to the next, `pixel_stride` from pixel to pixel, 0 where they
  // are per channel; null for none.
  const float* peepholes;
  int64_t plane;
  int64_t pixel_stride;
  float* sums;          // [gates, then peepholes][hidden] to add to, null for none
  float* spatial_sums;  // to add to, layout of the peepholes, null for none
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_DELTA_CC_

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

// One vector of channels of one pixel; the gates are of type Gate.
template <class Cell, bool kPeephole, class Gate, class D, class Lanes>
HWY_INLINE void DeltaOf(D d, const DeltaPixels& p, int64_t pixel, int64_t channel,
                        const Lanes& lanes) {
  using V = hn::Vec<D>;
  constexpr int64_t kGates = Cell::kGates, kPeepholes = Cell::kPeepholes;
  // Offsets in frames of `hidden` channels, and in the gates.
  const int64_t at = pixel * p.hidden + channel;
  const int64_t gate_at = pixel * kGates * p.hidden + channel;
  const auto load_or_zero = [&](const float* from) HWY_ATTR {
    return from == nullptr ? hn::Zero(d) : lanes.Load(from + at);
  };
  Gate* const saved = p.gates.template as<Gate>() + gate_at;
  V gates[kGates], deltas[kGates], peepholes[kPeepholeVectors<Cell>], seen[kPeepholeVectors<Cell>];
  CONVLSTM_UNROLL
  for (int64_t q = 0; q < kGates; ++q) gates[q] = lanes.Load(saved + q * p.hidden);
  const V c_in = load_or_zero(p.c_in);
  const CellState<D> grad = {lanes.Load(p.c_grad + at),
                             hn::Add(load_or_zero(p.h_grad), load_or_zero(p.output_grad))};
  if constexpr (kPeephole) {
    const float* const from = p.peepholes + pixel * p.pixel_stride + channel;
    CONVLSTM_UNROLL
    for (int64_t k = 0; k < kPeepholes; ++k) peepholes[k] = lanes.Load(from + k * p.plane);
  }
  const V c_in_grad =
      CellMath<Cell>::template Gradient<kPeephole>(d, gates, c_in, peepholes, grad, deltas, seen);

  CONVLSTM_UNROLL
  for (int64_t q = 0; q < kGates; ++q) {
    if constexpr (std::is_same_v<Gate, float>) {
      lanes.Store(deltas[q], saved + q * p.hidden);
    } else {
      lanes.StoreBfloat16(deltas[q], saved + q * p.hidden);
      lanes.Store(deltas[q], p.deltas + gate_at + q * p.hidden);
    }
  }
  lanes.Store(c_in_grad, p.c_grad + at);

  if (p.sums != nullptr) {
    CONVLSTM_UNROLL
    for (int64_t q = 0; q < kGates; ++q) {
      float* const to = p.sums + q * p.hidden + channel;
      lanes.Store(hn::Add(lanes.Load(to), deltas[q]), to);
    }
  }
  if constexpr (kPeephole) {
    float* to = p.spatial_sums == nullptr ? nullptr : p.spatial_sums + at;
    if (p.sums != nullptr && p.pixel_stride == 0) to = p.sums + kGates * p.hidden + channel;
    if (to == nullptr) return;
    CONVLSTM_UNROLL
    for (int64_t k = 0; k < kPeepholes; ++k, to += p.plane) {
      lanes.Store(hn::MulAdd(deltas[k], seen[k], lanes.Load(to)), to);
    }
  }
}

template <class Cell, bool kPeephole, class Gate>
void DeltasOfGates(const DeltaPixels& p) {
  using D = hn::ScalableTag<float>;
  const D d;
  const int64_t lanes = hn::Lanes(d), whole = p.hidden / lanes * lanes;
  const size_t rest = p.hidden - whole;
  for (int64_t pixel = 0; pixel < p.count; ++pixel) {
    for (int64_t channel = 0; channel < whole; channel += lanes) {
      DeltaOf<Cell, kPeephole, Gate>(d, p, pixel, channel, AllLanes<D>{});
    }
    if (rest > 0) DeltaOf<Cell, kPeephole, Gate>(d, p, pixel, whole, FirstLanes<D>{rest});
  }
}

template <class Cell, bool kPeephole>
void DeltasWith(const DeltaPixels& p) {
  if (p.gates.format() == SavedFormat::k16Bits) {
    DeltasOfGates<Cell, kPeephole, int16_t>(p);
  } else {
    DeltasOfGates<Cell, kPeephole, float>(p);
  }
}

template <class Cell>
void DeltasOf(const DeltaPixels& p) {
  if (Cell::kPeepholes == 0 || p.peepholes == nullptr) {
    DeltasWith<Cell, false>(p);
  } else {
    DeltasWith<Cell, true>(p);
  }
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {
namespace {

constexpr int64_t kGates = LstmCell::kGates, kPeepholes = LstmCell::kPeepholes;
constexpr int64_t kDeltaSums = kGates + kPeepholes;

}  // namespace

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
  peepholes_ = Buffer::AllocateArray<float>(kPeepholes * plane);
  float* to = peepholes_.as<float>();
  for (const float* rows : weights.peepholes) {
    TransposeFrames(1, shape.hidden_dim, pixels, rows, to, pool);
    to += plane;
  }
  if (spatial_ && wants_peepholes) {
    spatial_sums_ = Buffer::AllocateArray<float>(kPeepholes * plane);
    std::fill_n(spatial_sums_.as<float>(), kPeepholes * plane, 0.0f);
  }
}

// A thread has the same pixels in every frame: it alone adds to the sums of their peepholes.
void ConvLstmDeltas::Run(const ConvLstmDeltaStep& step) {
  const auto deltas_of = CONVLSTM_SIMD(isa_, DeltasOf<LstmCell>);
  const int64_t hidden = shape_.hidden_dim, batch = shape_.batch, pixels = shape_.pixels();
  // Pixels summed in float32 before they join the float64 totals.
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
                         step.gates[b] + kGates * at,
                         step.deltas == nullptr ? nullptr : step.deltas[b] + kGates * at,
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

void ConvLstmDeltas::Finish(float* bias, const std::array<float*, kPeepholes>& peepholes) {
  const int64_t hidden = shape_.hidden_dim;
  const auto total = [&](int64_t index) {
    double sum = 0;
    for (size_t k = index; k < sums_.size(); k += kDeltaSums * hidden) sum += sums_[k];
    return static_cast<float>(sum);
  };
  if (bias != nullptr) {
    for (int64_t k = 0; k < kGates * hidden; ++k) bias[k] = total(k);
  }
  const float* spatial = spatial_sums_.as<float>();
  int64_t index = kGates * hidden;
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
