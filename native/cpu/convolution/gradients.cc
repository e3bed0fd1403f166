#include "cpu/convolution/gradients.h"

#include <memory>
#include <utility>

#include "cpu/convolution/direct.h"

namespace convlstm::cpu {
namespace {

// The convolution of delta that gives the gradient of the input: a stride becomes a spread.
DirectConvolutionShape TransposedOf(ConvolutionShape s) {
  const int64_t spread_y = s.stride_y, spread_x = s.stride_x;
  std::swap(s.in_channels, s.out_channels);
  std::swap(s.in_height, s.out_height);
  std::swap(s.in_width, s.out_width);
  s.pad_top = (s.kernel_height - 1) * s.dilation_y - s.pad_top;
  s.pad_left = (s.kernel_width - 1) * s.dilation_x - s.pad_left;
  s.stride_y = s.stride_x = 1;
  return {s, spread_y, spread_x};
}

class DirectDataGradient final : public DataGradient {
 public:
  DirectDataGradient(const ConvolutionShape& s, const float* weight, int64_t out_stride, Isa isa)
      : shape_(TransposedOf(s)),
        isa_(isa),
        packed_(PackDirectConvolution(
            shape_, {weight + s.taps() - 1, s.taps(), out_stride, -s.kernel_width, -1}, isa)) {}

  void Run(int64_t frames, const float* const* delta, float* const* in_grad,
           ThreadPool& pool) const override {
    RunDirectConvolution(shape_, packed_, nullptr, frames, delta, in_grad, isa_, pool);
  }

 private:
  const DirectConvolutionShape shape_;
  const Isa isa_;
  const Buffer packed_;
};

}  // namespace

std::unique_ptr<DataGradient> MakeDirectDataGradient(const ConvolutionShape& shape,
                                                     const float* weight, int64_t out_stride,
                                                     Isa isa, ThreadPool&) {
  return std::make_unique<DirectDataGradient>(shape, weight, out_stride, isa);
}

std::unique_ptr<DataGradient> MakeDataGradient(const ConvolutionShape& shape, const float* weight,
                                               int64_t out_stride, Isa isa, ThreadPool& pool) {
  auto winograd = MakeWinogradDataGradient(shape, weight, out_stride, isa, pool);
  return winograd ? std::move(winograd)
                  : MakeDirectDataGradient(shape, weight, out_stride, isa, pool);
}

std::unique_ptr<WeightGradient> MakeWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                   ThreadPool& pool) {
  auto winograd = MakeWinogradWeightGradient(shape, isa, pool);
  return winograd ? std::move(winograd) : MakeDirectWeightGradient(shape, isa, pool);
}

}  // namespace convlstm::cpu
