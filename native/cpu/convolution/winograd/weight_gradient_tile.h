// Between the driver of the Winograd weight gradient (weight_gradient.cc), which plans, and the
// function that runs a thread's part (weight_gradient_tile.cc), compiled per instruction set.
#ifndef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_WEIGHT_GRADIENT_TILE_H_
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_WEIGHT_GRADIENT_TILE_H_

#include <cstddef>

#include "cpu/convolution/outer_product.h"
#include "cpu/convolution/winograd/variant.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

struct WinogradWeightGradient {
  const WinogradTiling& tiling;
  const OuterProductKernel& kernel;
  size_t in_channels, out_channels;
  const float* const* in;
  const float* const* delta;
  float* sums;  // [block of 4 vectors of out_channels][product][in channel][channel of the block]
};
using WinogradWeightGradientPart = void (*)(const WinogradWeightGradient& gradient,
                                            const Range& in_channels, const Range& blocks);

WinogradWeightGradientPart GetWinogradWeightGradientPart(Isa isa, size_t variant);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_WEIGHT_GRADIENT_TILE_H_
