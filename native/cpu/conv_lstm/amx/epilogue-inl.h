// Activations and state update of an AMX block, per Highway target, run in pieces between the
// products of the next group.

#if defined(CONVLSTM_CPU_CONV_LSTM_AMX_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONV_LSTM_AMX_EPILOGUE_INL_H_
#undef CONVLSTM_CPU_CONV_LSTM_AMX_EPILOGUE_INL_H_
#else
#define CONVLSTM_CPU_CONV_LSTM_AMX_EPILOGUE_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/conv_lstm/amx/amx.h"
#include "cpu/conv_lstm/cell-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kTileSums = 16 * kAmxChannels;  // float32 elements of an accumulator tile

struct PixelSums {
  int64_t sums;   // floats from the block's first sum to the pixel's
  int64_t pixel;  // in its image
};

// The epilogue of one group of a block.
template <class Cell>
struct AmxEpilogue {
  const float* sums;
  const PixelSums* pixels;
  int64_t next = 0;   // index into pixels
  int64_t count = 0;  // of pixels
  const float* c_in;  // this and the next three: the image's first pixel, the group's first channel
  float* c;
  float* h;
  GatePointer gates_out;  // null: not saved
  const float* bias;
  const float* peepholes = nullptr;
  int64_t peephole_stride = 0;  // from pixel to pixel
  int64_t hidden;
  int64_t channels;  // of the group: 16, or fewer in the last

  HWY_NOINLINE void Run(int64_t pixels_to_run) {
    using D = hn::CappedTag<float, kAmxChannels>;
    const D d;
    const int64_t lanes = hn::Lanes(d);
    const int64_t end = std::min(next + pixels_to_run, count);
    for (; next < end; ++next) {
      // State is used once a group, thousands of cycles apart: prefetched eight pixels ahead.
      const int64_t ahead = pixels[std::min(next + 8, count - 1)].pixel * hidden;
      __builtin_prefetch(c_in + ahead, 1);
      __builtin_prefetch(h + ahead, 1);
      const float* from = sums + pixels[next].sums;
      const int64_t pixel = pixels[next].pixel;
      for (int64_t lane = 0; lane < channels; lane += lanes) {
        hn::Vec<D> gates[Cell::kGates];
        CONVLSTM_UNROLL
        for (int64_t q = 0; q < Cell::kGates; ++q) {
          gates[q] = hn::Add(hn::Load(d, from + q * kTileSums + lane),
                             hn::Load(d, bias + q * kAmxChannels + lane));
        }
        const int64_t state = pixel * hidden + lane;
        CellPointers at = {c_in + state, c + state, h + state};
        if (gates_out) {
          at.gates = gates_out + pixel * Cell::kGates * hidden + lane;
          at.gate_stride = hidden;
        }
        if (peepholes) {
          at.peepholes = peepholes + pixel * peephole_stride + lane;
          at.peephole_stride = kAmxChannels;
        }
        UpdateCell<Cell>(d, gates, at, channels - lane);
      }
    }
  }
};

// Spreads the pixels of an epilogue evenly over `products` products.
template <class Cell>
struct AmxInterleave {
  AmxEpilogue<Cell>& epilogue;
  int64_t products;
  int64_t due = 0;

  HWY_INLINE void AfterProduct() {
    due += epilogue.count;
    int64_t pixels = 0;
    for (; due >= products; due -= products) ++pixels;
    if (pixels > 0) epilogue.Run(pixels);
  }
};

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONV_LSTM_AMX_EPILOGUE_INL_H_
