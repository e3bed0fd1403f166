#include "cpu/convolution/convolution.h"

#include <utility>

#include "cpu/convolution/direct.h"
#include "cpu/convolution/winograd/convolution.h"

namespace convlstm::cpu {
namespace {

// [out channel][in channel][tap] as the weights of the convolution of delta: flipped, transposed.
ConvolutionWeight TransposedWeight(const ConvolutionShape& s, const float* weight,
                                   int64_t out_stride) {
  return {weight + s.taps() - 1, s.taps(), out_stride, -s.kernel_width, -1};
}

ConvolutionKernel ChooseDataGradient(const ConvolutionShape& transposed, Isa isa) {
  return {isa, FindWinogradDataGradient(transposed, isa)};
}

}  // namespace

std::string ConvolutionKernel::name() const {
  const std::string suffix = std::string(" f32 ") + IsaName(SimdIsa(isa));
  return (winograd ? WinogradName(*winograd) : "direct") + suffix;
}

std::unique_ptr<PackedConvolution> ConvolutionKernel::Pack(const ConvolutionShape& shape,
                                                           const ConvolutionWeight& weight,
                                                           ThreadPool& pool) const {
  return winograd ? PackWinograd(shape, weight, *winograd, separates_spikes, isa, pool)
                  : PackDirect(shape, weight, isa);
}

ConvolutionKernel ChooseForward(const ConvolutionShape& shape, int64_t frames, Precision precision,
                                Isa isa) {
  return {isa, FindWinogradForward(shape, frames, precision, isa), true};
}

ConvolutionShape TransposedOf(const ConvolutionShape& shape) {
  ConvolutionShape s = shape;
  std::swap(s.in_channels, s.out_channels);
  std::swap(s.in_height, s.out_height);
  std::swap(s.in_width, s.out_width);
  s.pad_top = (s.kernel_height - 1) * s.dilation_y - s.pad_top;
  s.pad_left = (s.kernel_width - 1) * s.dilation_x - s.pad_left;
  s.spread_y = std::exchange(s.stride_y, 1);
  s.spread_x = std::exchange(s.stride_x, 1);
  return s;
}

DataGradient::DataGradient(const ConvolutionShape& shape, const float* weight, int64_t out_stride,
                           Isa isa, ThreadPool& pool)
    : DataGradient(shape, weight, out_stride, ChooseDataGradient(TransposedOf(shape), isa), pool) {}

DataGradient::DataGradient(const ConvolutionShape& shape, const float* weight, int64_t out_stride,
                           const ConvolutionKernel& kernel, ThreadPool& pool)
    : shape_(TransposedOf(shape)),
      packed_(kernel.Pack(shape_, TransposedWeight(shape, weight, out_stride), pool)) {}

void DataGradient::Run(int64_t frames, const float* const* delta, float* const* in_grad,
                       ThreadPool& pool) const {
  packed_->Run(shape_, {frames, delta, in_grad}, nullptr, pool);
}

std::unique_ptr<WeightGradient> MakeWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                   ThreadPool& pool) {
  auto winograd = MakeWinogradWeightGradient(shape, isa, pool);
  return winograd ? std::move(winograd) : MakeDirectWeightGradient(shape, isa, pool);
}

}  // namespace convlstm::cpu
