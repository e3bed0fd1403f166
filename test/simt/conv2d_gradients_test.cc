// The kernels of conv2d's backward pass against float64, on the host.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "cuda/convolution/sum_rows.cuh"
#include "gradient_reference.h"
#include "operations.h"
#include "simt/convolution_gradients.h"

namespace convlstm::cuda {
namespace {

// Checks all gradients of a convolution with bias, stride, padding and dilation.
template <class T, class Gradient>
void CheckConv2d(ConvGeometry g, int in, int channels, double tolerance) {
  const int reach_y = g.dilation_y * (g.kernel_height - 1) + 1;
  const int reach_x = g.dilation_x * (g.kernel_width - 1) + 1;
  g.out_height = (g.height + 2 * g.pad_top - reach_y) / g.stride_y + 1;
  g.out_width = (g.width + 2 * g.pad_left - reach_x) / g.stride_x + 1;
  const int taps = g.kernel_height * g.kernel_width;
  const std::vector<float> x = RandomValues(int64_t{g.images} * g.height * g.width * in);
  const std::vector<float> weight = RandomValues(int64_t{channels} * in * taps);
  const std::vector<float> deltas = RandomValues(int64_t{g.rows()} * channels);

  std::vector<double> x_grad(x.size()), weight_grad(weight.size()), bias_grad(channels);
  for (int row = 0; row < g.rows(); ++row) {
    const int image = row / g.out_pixels(), pixel = row % g.out_pixels();
    const int out_y = pixel / g.out_width, out_x = pixel % g.out_width;
    for (int c = 0; c < channels; ++c) {
      const double delta = deltas[int64_t{row} * channels + c];
      bias_grad[c] += delta;
      for (int tap = 0; tap < taps; ++tap) {
        const int at_y = out_y * g.stride_y - g.pad_top + tap / g.kernel_width * g.dilation_y;
        const int at_x = out_x * g.stride_x - g.pad_left + tap % g.kernel_width * g.dilation_x;
        if (at_y < 0 || at_y >= g.height || at_x < 0 || at_x >= g.width) continue;
        for (int k = 0; k < in; ++k) {
          const int64_t from = ((int64_t{image} * g.height + at_y) * g.width + at_x) * in + k;
          const int64_t w = (int64_t{c} * in + k) * taps + tap;
          x_grad[from] += delta * weight[w];
          weight_grad[w] += delta * x[from];
        }
      }
    }
  }

  ConvolutionGradients<T, Gradient> gradients(g, in, channels, weight, 0, in);
  CHECK(RelativeError(gradients.OfInput(deltas), x_grad) <= tolerance);
  WeightGradientArguments p = {};
  p.geometry = g;
  p.x = {x.data()};
  p.deltas = {deltas.data()};
  p.channels = in;
  p.out_channels = channels;
  p.image_stride = g.height * g.width;
  p.steps = 1;
  p.partial = {gradients.partial()};
  gradients.Launch(p);
  std::vector<float> found(weight.size(), NAN);
  gradients.Finish(found);
  CHECK(RelativeError(found, weight_grad) <= tolerance);
  std::vector<double> sums(3 * channels);
  std::vector<float> bias(channels, NAN);
  simt::Launch(SumRows, {3, static_cast<unsigned>(ChannelBlocks(channels))}, {kChannelThreads},
               kChannelSharedBytes, deltas.data(), int64_t{g.rows()}, channels, sums.data());
  simt::Launch(AddSlices, {1}, {32}, 0, sums.data(), 3, int64_t{channels}, bias.data(),
               int64_t{channels});
  CHECK(RelativeError(bias, bias_grad) <= tolerance);
}

template <Math kMath>
void CheckConv2d(double tolerance) {
  using Small = SmallGradientTile<kMath>;
  CheckConv2d<SmallTile<kMath>, Small>({2, 7, 9, 0, 0, 3, 2, 2, 1, 1, 0, 1, 2}, 3, 5, tolerance);
  CheckConv2d<MediumTile<kMath>, Small>({1, 9, 8, 0, 0, 1, 3, 1, 3, 2, 3, 1, 1}, 4, 130, tolerance);
  CheckConv2d<SmallTile<kMath>, Small>({3, 5, 5, 0, 0, 2, 2, 3, 2, 0, 1, 2, 3}, 8, 12, tolerance);
  CheckConv2d<SmallTile<kMath>, Small>({1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1}, 1, 1, tolerance);
  // Phases without taps; strides that share a factor with the dilation.
  CheckConv2d<SmallTile<kMath>, Small>({2, 8, 7, 0, 0, 1, 2, 3, 2, 0, 0, 1, 2}, 3, 4, tolerance);
  CheckConv2d<SmallTile<kMath>, Small>({1, 19, 23, 0, 0, 3, 4, 4, 6, 1, 2, 6, 4}, 2, 3, tolerance);
}
TEST_CASE("gradients of conv2d") {
  CheckConv2d<Math::kFma>(1e-6);
#if CONVLSTM_CUDA_ARCH >= 800
  CheckConv2d<Math::kTf32x3>(1e-6);
#endif
}

}  // namespace
}  // namespace convlstm::cuda
