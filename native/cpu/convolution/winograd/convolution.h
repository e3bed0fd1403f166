// Winograd convolution: 3x3 and 5x5 with stride and dilation 1 whose output is as large as the
// input.
#ifndef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_CONVOLUTION_H_
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_CONVOLUTION_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "cpu/convolution/convolution.h"

namespace convlstm::cpu {

// "winograd-f4x4-3x3" of a variant of kWinogradVariants.
std::string WinogradName(size_t variant);

// Whether the stride, dilation, padding and kernel are those that Winograd serves.
bool WinogradServes(const ConvolutionShape& shape);

// Whether F(4x4, 3x3) or F(4x4, 5x5) of a gradient takes less time than direct sums: `vectors` and
// `direct_vectors` are the vectors that each multiplies for every frame and channel.
bool WinogradGradientPays(const ConvolutionShape& shape, size_t vectors, size_t direct_vectors);

// The fastest variant that keeps `precision`; none where a direct convolution is faster.
std::optional<size_t> FindWinogradForward(const ConvolutionShape& shape, int64_t frames,
                                          Precision precision, Isa isa);
// `shape` is that of the convolution of delta.
std::optional<size_t> FindWinogradDataGradient(const ConvolutionShape& shape, Isa isa);

std::unique_ptr<PackedConvolution> PackWinograd(const ConvolutionShape& shape,
                                                const ConvolutionWeight& weight, size_t variant,
                                                bool separates_spikes, Isa isa, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_CONVOLUTION_H_
