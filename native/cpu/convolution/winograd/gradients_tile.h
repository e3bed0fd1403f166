// The inner part of the Winograd gradients, compiled per instruction set: what the driver
// (winograd_gradients.cc) plans and packs, and the functions that run a part of it.
#ifndef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_GRADIENTS_TILE_H_
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_GRADIENTS_TILE_H_

#include <cstddef>

#include "cpu/convolution/outer_product.h"
#include "cpu/convolution/winograd/variant.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// Channels of delta that are transformed at once.
inline constexpr size_t kWinogradDepth = 64;

struct WinogradDataGradient {
  const WinogradTiling& tiling;
  size_t in_channels;   // of in_grad
  size_t out_channels;  // of delta
  // [group of 4 vectors of in_channels][part of kWinogradDepth of out_channels][product][out
  // channel of the part][row]
  const float* weights;
  const float* const* delta;
  float* const* in_grad;
};
using WinogradDataGradientPart = void (*)(const WinogradDataGradient& gradient, const Range& tiles,
                                          const Range& groups);

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

// Variants that serve the gradients, by their place in kWinogradVariants.
inline constexpr size_t kGradientVariantOf3x3 = 0, kGradientVariantOf5x5 = 5;

WinogradDataGradientPart GetWinogradDataGradientPart(Isa isa, size_t variant);
WinogradWeightGradientPart GetWinogradWeightGradientPart(Isa isa, size_t variant);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_GRADIENTS_TILE_H_
