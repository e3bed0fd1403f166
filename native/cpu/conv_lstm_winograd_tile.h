// The inner part of the Winograd family, compiled per instruction set: what the driver
// (conv_lstm_winograd.cc) plans and packs, and the function that runs a part of a time step.
#ifndef CONVLSTM_CPU_CONV_LSTM_WINOGRAD_TILE_H_
#define CONVLSTM_CPU_CONV_LSTM_WINOGRAD_TILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/buffer.h"
#include "cpu/conv_lstm_cell.h"
#include "cpu/conv_lstm_kernel.h"

namespace convlstm::cpu {

// F(rows x columns, taps x taps), multiplying in float32 or in bfloat16.
struct WinogradVariant {
  size_t taps;
  size_t rows;
  size_t columns;
  bool bfloat16;

  constexpr size_t patch_rows() const { return rows + taps - 1; }
  constexpr size_t patch_columns() const { return columns + taps - 1; }
  constexpr size_t products() const { return patch_rows() * patch_columns(); }
  constexpr size_t pad() const { return (taps - 1) / 2; }
};

inline constexpr std::array kWinogradVariants = {
    WinogradVariant{3, 4, 4, false}, WinogradVariant{3, 4, 2, false},
    WinogradVariant{3, 2, 4, false}, WinogradVariant{3, 2, 2, false},
    WinogradVariant{3, 6, 6, false}, WinogradVariant{5, 4, 2, false},
    WinogradVariant{5, 2, 4, false}, WinogradVariant{5, 2, 2, false},
    WinogradVariant{5, 4, 4, false}, WinogradVariant{3, 4, 2, true},
};

// Both images that the convolution runs over.
enum WinogradSource : size_t { kFromHidden, kFromInput, kWinogradSources };

// A group is one vector of hidden channels; its four gates i, f, o, g lie side by side, so a row of
// weights is 4 * lanes values, `row` below. Channels past hidden_dim are zero.
struct WinogradWeights final : PackedWeights {
  explicit WinogradWeights(PackedPeepholes packed_peepholes)
      : peepholes(std::move(packed_peepholes)) {}

  // Transformed: [group][product][depth][row] float, or [group][product][depth / 2][row][2]
  // bfloat16. Along depth: the channels of h, then from x_begin those of x.
  Buffer transformed;
  // As they came, for tiles whose values the transform would drown:
  // [group][tap row][tap column * channels + channel][row], per source.
  Buffer direct[kWinogradSources];
  Buffer bias;  // [group][row]
  PackedPeepholes peepholes;
};

// How a layer is cut up.
struct WinogradPlan {
  WinogradPlan(const ConvLstmShape& shape, const WinogradVariant& variant, size_t lanes);

  ConvLstmShape shape;
  WinogradVariant variant;
  size_t lanes;
  size_t hidden, input;
  size_t groups;
  size_t row;                      // floats of a row of weights: 4 * lanes
  size_t x_begin;                  // where the channels of x begin along the depth
  size_t depth;                    // even for bfloat16
  size_t tile_rows, tile_columns;  // per frame
  size_t tiles;                    // of all sequences

  size_t channels(WinogradSource source) const { return source == kFromHidden ? hidden : input; }
};

// Runs the step on tiles x groups. Parts write disjoint elements of h_out and c, and what an
// element becomes does not depend on the parts.
using WinogradPart = void (*)(const WinogradPlan& plan, const WinogradWeights& weights,
                              const ConvLstmStep& step, const Range& tiles, const Range& groups);

WinogradPart GetWinogradPart(Isa isa, size_t variant);
// Floats of a vector.
size_t WinogradLanes(Isa isa);

// The kernel of a variant of the table above, or null where the processor has no bfloat16 products.
const ConvLstmKernel* WinogradKernelOf(size_t variant, Isa isa);

// m[r][0..64) = or += sum over depth of v[r][k] * w[k][0..64), in bfloat16 pairs: for rows <= 6,
// v of `v_stride` elements a row, w of [depth / 2][64][2]. Needs CpuFeatures::avx512_bf16.
void MultiplyBfloat16(size_t rows, const uint16_t* v, size_t v_stride, const uint16_t* w,
                      size_t depth, float* m, bool accumulate);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_WINOGRAD_TILE_H_
