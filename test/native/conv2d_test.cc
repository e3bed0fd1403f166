#include "cpu/convolution/conv2d.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "core/error.h"
#include "cpu/convolution/conv2d_backward.h"
#include "gradient_reference.h"
#include "operations.h"

namespace convlstm {
namespace {

struct Sums {
  double value;
  double magnitude;  // of the terms: what rounding errors are relative to
};

Sums Reference(const Conv2dShape& s, const std::vector<float>& x, const std::vector<float>& weight,
               const std::vector<float>& bias, const std::vector<int64_t>& at) {
  double sum = bias.empty() ? 0.0 : bias[at[1]];
  double magnitude = std::abs(sum);
  for (int64_t k = 0; k < s.in_channels; ++k) {
    for (int64_t tap_y = 0; tap_y < s.kernel_height; ++tap_y) {
      for (int64_t tap_x = 0; tap_x < s.kernel_width; ++tap_x) {
        const int64_t row = at[2] * s.stride_y - s.padding_y + tap_y * s.dilation_y;
        const int64_t column = at[3] * s.stride_x - s.padding_x + tap_x * s.dilation_x;
        if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
        const double term =
            double{x[((at[0] * s.in_channels + k) * s.height + row) * s.width + column]} *
            weight[((at[1] * s.in_channels + k) * s.kernel_height + tap_y) * s.kernel_width +
                   tap_x];
        sum += term;
        magnitude += std::abs(term);
      }
    }
  }
  return {sum, magnitude};
}

void Check(const Conv2dShape& s, bool with_bias, bool channels_last, cpu::ThreadPool& pool) {
  CAPTURE(s.in_channels);
  CAPTURE(s.out_channels);
  CAPTURE(s.height);
  CAPTURE(s.kernel_width);
  CAPTURE(channels_last);
  const auto x = RandomValues(s.batch * s.in_channels * s.height * s.width);
  const auto weight =
      RandomValues(s.out_channels * s.in_channels * s.kernel_height * s.kernel_width);
  const auto bias = RandomValues(with_bias ? s.out_channels : 0);
  const Conv2dInputs inputs = {
      channels_last ? ChannelsLastStorage(x, {s.batch, s.in_channels, s.height * s.width})
                    : RowMajorStorage(x),
      RowMajorStorage(weight), with_bias ? RowMajorStorage(bias) : nullptr};
  const std::vector<float> values = Values(*RunOnCpu(Conv2d{s, inputs}, pool).out, pool);
  int64_t k = 0;
  double worst = 0.0;
  ForEachPlace(s.output(), [&](const std::vector<int64_t>& at) {
    const Sums expected = Reference(s, x, weight, bias, at);
    worst = std::max(worst, std::abs(values[k++] - expected.value) / expected.magnitude);
  });
  CHECK(worst < 1e-6);
}

struct Gradients {
  std::vector<double> x, weight, bias;
};

Gradients ReferenceGradients(const Conv2dShape& s, const std::vector<float>& x,
                             const std::vector<float>& weight, const std::vector<float>& grad) {
  Gradients g = {std::vector<double>(x.size()), std::vector<double>(weight.size()),
                 std::vector<double>(s.out_channels)};
  int64_t out = 0;
  ForEachPlace(s.output(), [&](const std::vector<int64_t>& at) {
    const double delta = grad[out++];
    g.bias[at[1]] += delta;
    for (int64_t k = 0; k < s.in_channels; ++k) {
      for (int64_t tap_y = 0; tap_y < s.kernel_height; ++tap_y) {
        for (int64_t tap_x = 0; tap_x < s.kernel_width; ++tap_x) {
          const int64_t row = at[2] * s.stride_y - s.padding_y + tap_y * s.dilation_y;
          const int64_t column = at[3] * s.stride_x - s.padding_x + tap_x * s.dilation_x;
          if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
          const int64_t in = ((at[0] * s.in_channels + k) * s.height + row) * s.width + column;
          const int64_t w =
              ((at[1] * s.in_channels + k) * s.kernel_height + tap_y) * s.kernel_width + tap_x;
          g.x[in] += delta * weight[w];
          g.weight[w] += delta * x[in];
        }
      }
    }
  });
  return g;
}

void CheckBackward(const Conv2dShape& s, bool channels_last, cpu::ThreadPool& pool) {
  CAPTURE(ToString({s.batch, s.in_channels, s.height, s.width, s.out_channels}));
  CAPTURE(ToString({s.kernel_height, s.kernel_width, s.stride_y, s.stride_x}));
  CAPTURE(channels_last);
  const int64_t taps = s.kernel_height * s.kernel_width;
  const auto x = RandomValues(s.batch * s.in_channels * s.height * s.width);
  const auto weight = RandomValues(s.out_channels * s.in_channels * taps);
  const auto grad = RandomValues(NumElements(s.output()));
  const auto storage = [&](const std::vector<float>& values, int64_t channels, int64_t pixels) {
    return channels_last ? ChannelsLastStorage(values, {s.batch, channels, pixels})
                         : RowMajorStorage(values);
  };
  const Conv2dInputs inputs = {storage(x, s.in_channels, s.height * s.width),
                               RowMajorStorage(weight),
                               RowMajorStorage(RandomValues(s.out_channels))};
  const StoragePtr delta = storage(grad, s.out_channels, s.out_height() * s.out_width());
  const auto run = [&] {
    const Conv2dGradients gradients = RunOnCpu(Conv2dBackward{{s, inputs}, delta}, pool).gradients;
    return std::vector<std::vector<float>>{
        Values(*gradients.x, pool), Values(*gradients.weight, pool), Values(*gradients.bias, pool)};
  };
  const auto first = run();
  CHECK(run() == first);
  const Gradients exact = ReferenceGradients(s, x, weight, grad);
  CHECK(RelativeError(first[0], exact.x) <= 1e-5);
  CHECK(RelativeError(first[1], exact.weight) <= 1e-5);
  CHECK(RelativeError(first[2], exact.bias) <= 1e-5);
}

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("conv2d agrees with float64") {
    cpu::ThreadPool pool(3);
    const Conv2dShape shapes[] = {
        // batch, in, height, width, out, kernel, stride, padding, dilation
        {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},   {2, 64, 9, 11, 16, 1, 1, 1, 1, 0, 0, 1, 1},
        {2, 5, 9, 11, 70, 3, 3, 1, 1, 1, 1, 1, 1}, {1, 17, 13, 10, 33, 3, 3, 1, 1, 1, 1, 1, 1},
        {3, 3, 12, 7, 48, 5, 2, 2, 3, 1, 4, 1, 1}, {1, 4, 15, 16, 9, 3, 3, 1, 2, 4, 2, 3, 2},
        {1, 2, 5, 6, 65, 5, 6, 1, 1, 0, 0, 1, 1},  {1, 8, 70, 90, 130, 1, 1, 1, 1, 0, 0, 1, 1},
        {2, 3, 4, 4, 2, 3, 3, 1, 1, 20, 20, 1, 1}, {0, 3, 4, 4, 2, 3, 3, 1, 1, 1, 1, 1, 1},
    };
    for (const Conv2dShape& shape : shapes) {
      for (const bool channels_last : {false, true}) {
        Check(shape, true, channels_last, pool);
        Check(shape, false, channels_last, pool);
      }
    }
  }

  TEST_CASE("the gradients of conv2d agree with float64") {
    cpu::ThreadPool pool(3);
    const Conv2dShape shapes[] = {
        // batch, in, height, width, out, kernel, stride, padding, dilation
        {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},     {2, 64, 9, 11, 16, 1, 1, 1, 1, 0, 0, 1, 1},
        {2, 5, 9, 11, 70, 3, 3, 1, 1, 1, 1, 1, 1},   {3, 17, 13, 10, 33, 3, 3, 1, 1, 1, 1, 1, 1},
        {3, 3, 12, 7, 48, 5, 2, 2, 3, 1, 4, 1, 1},   {1, 4, 15, 16, 9, 3, 3, 1, 2, 4, 2, 3, 2},
        {1, 2, 5, 6, 65, 5, 6, 1, 1, 0, 0, 1, 1},    {2, 18, 20, 9, 20, 5, 5, 1, 1, 2, 2, 1, 1},
        {2, 3, 4, 4, 2, 3, 3, 1, 1, 20, 20, 1, 1},   {0, 3, 4, 4, 2, 3, 3, 1, 1, 1, 1, 1, 1},
        {1, 20, 12, 13, 20, 3, 3, 1, 1, 0, 0, 1, 1}, {1, 6, 14, 13, 5, 2, 2, 2, 2, 0, 1, 1, 1},
    };
    for (const Conv2dShape& shape : shapes) {
      for (const bool channels_last : {false, true}) CheckBackward(shape, channels_last, pool);
    }
  }

  TEST_CASE("the gradient that comes in may be the weight") {
    cpu::ThreadPool pool(2);
    const Conv2dShape s = {1, 4, 6, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1};
    const auto x = RandomValues(144), both = RandomValues(144);
    const auto gradients = [&](const StoragePtr& weight, const StoragePtr& grad) {
      const Conv2d forward = {s, {RowMajorStorage(x), weight}};
      const Conv2dGradients wanted =
          RunOnCpu(Conv2dBackward{forward, grad, {.bias = false}}, pool).gradients;
      return std::vector{Values(*wanted.x, pool), Values(*wanted.weight, pool)};
    };
    // The weight's elements are put into rows while those of the gradient are in use.
    const StoragePtr frames = ChannelsLastStorage(both, {1, 4, 36});
    CHECK(gradients(frames, frames) == gradients(RowMajorStorage(both), RowMajorStorage(both)));
  }

  TEST_CASE("conv2d refuses what does not fit") {
    const auto storage = [](int64_t count) { return std::make_shared<Storage>(count); };
    const auto code = [](const Conv2dShape& shape, const Conv2dInputs& inputs) {
      try {
        Conv2d{shape, inputs}.Check();
      } catch (const Error& error) {
        return std::string(NameOf(error.code()));
      }
      return std::string("none");
    };
    const Conv2dShape shape = {1, 2, 4, 4, 3, 3, 3, 1, 1, 0, 0, 1, 1};
    CHECK(code(shape, {storage(32), storage(54), nullptr}) == "none");
    CHECK(code(shape, {storage(31), storage(54), nullptr}) == "ERR_SHAPE");
    CHECK(code(shape, {storage(32), storage(53), nullptr}) == "ERR_SHAPE");
    CHECK(code(shape, {storage(32), storage(54), storage(2)}) == "ERR_SHAPE");
    Conv2dShape changed = shape;
    changed.dilation_x = 2;
    CHECK(code(changed, {storage(32), storage(54), nullptr}) == "ERR_SHAPE");
    changed = shape;
    changed.stride_y = 0;
    CHECK(code(changed, {storage(32), storage(54), nullptr}) == "ERR_SHAPE");
    changed = shape;
    changed.padding_x = int64_t{1} << 60;
    CHECK(code(changed, {storage(32), storage(54), nullptr}) == "ERR_SHAPE");
  }
}

}  // namespace convlstm
