// Between the driver of Winograd convolutions (convolution.cc), which plans and packs, and the
// function that runs a thread's part (convolution_tile.cc), compiled per instruction set.
#ifndef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_CONVOLUTION_TILE_H_
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_CONVOLUTION_TILE_H_

#include <cstddef>

#include "cpu/convolution/winograd/variant.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// Input channels that are transformed at once.
inline constexpr size_t kWinogradDepth = 64;

// A group is 4 vectors of output channels, a row of weights; channels past out_channels are zero.
struct WinogradConvolution {
  const WinogradTiling& tiling;
  size_t in_channels, out_channels;
  // [group][part of kWinogradDepth in channels][product][in channel of the part][row], transformed.
  const float* weights;
  // [group][tap row][tap column][in channel][row], untransformed, for spikes; null: every value is
  // transformed.
  const float* spike_weights;
  const float* bias;  // [group][row]
  // Input channels summed in registers before they join the others (kPartDepth).
  size_t part_depth;
  const float* const* in;  // [frame] of in_channels
  float* const* out;       // [frame] of out_channels
};
// Computes the outputs of `tiles` and `groups`.
using WinogradConvolutionPart = void (*)(const WinogradConvolution& convolution, const Range& tiles,
                                         const Range& groups);

WinogradConvolutionPart GetWinogradConvolutionPart(Isa isa, size_t variant);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_CONVOLUTION_TILE_H_
