// The kernels of the other operations against their definition, on the host.
#include "operations.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "cuda/convolution/conv2d.cuh"
#include "cuda/gemm/pack_weights.cuh"
#include "cuda/gemm/tiles.h"
#include "cuda/tensor/elementwise.cuh"
#include "cuda/tensor/layout.cuh"
#include "cuda/tensor/rearrange.cuh"
#include "cuda/tensor/reduce.cuh"

namespace convlstm::cuda {
namespace {

TEST_CASE("transpose: whole and cut tiles, more frames and rows than the grid has") {
  for (const auto& [frames, rows, columns] :
       {std::array{1, 1, 1}, {2, 33, 31}, {3, 64, 5}, {1, 70, 96}}) {
    const std::vector<float> in = RandomValues(int64_t{frames} * rows * columns);
    std::vector<float> out(in.size(), NAN);
    simt::Launch(TransposeFrames, {static_cast<unsigned>(DivideUp(columns, 32)), 2, 2},
                 {kTransposeThreads}, 32 * 33 * sizeof(float), in.data(), out.data(),
                 int64_t{frames}, int64_t{rows}, int64_t{columns});
    int wrong = 0;
    for (int f = 0; f < frames; ++f) {
      for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < columns; ++c) {
          wrong += out[(f * columns + c) * rows + r] != in[(f * rows + r) * columns + c];
        }
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("elementwise: every operation, NaN and broadcasting") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {-2, -0.5f, 0, 0.25f, 3, nan};
  const auto unary = [&](UnaryOp op) {
    std::vector<float> out(x.size());
    simt::Launch(UnaryElements, {1}, {4}, 0, op, x.data(), 0.1f, out.data(), int64_t(x.size()));
    return out;
  };
  const auto check = [&](UnaryOp op, auto expected) {
    const std::vector<float> out = unary(op);
    for (size_t k = 0; k + 1 < x.size(); ++k) {
      const double value = expected(double(x[k]));
      if (std::isnan(value)) {
        CHECK(std::isnan(out[k]));
      } else if (std::isinf(value)) {
        CHECK(out[k] == value);
      } else {
        CHECK(out[k] == doctest::Approx(value).epsilon(1e-6));
      }
    }
    CHECK(std::isnan(out.back()));
  };
  check(UnaryOp::kNeg, [](double v) { return -v; });
  check(UnaryOp::kAbs, [](double v) { return std::fabs(v); });
  check(UnaryOp::kExp, [](double v) { return std::exp(v); });
  check(UnaryOp::kLog, [](double v) { return std::log(v); });
  check(UnaryOp::kSqrt, [](double v) { return std::sqrt(v); });
  check(UnaryOp::kSigmoid, [](double v) { return 1 / (1 + std::exp(-v)); });
  check(UnaryOp::kTanh, [](double v) { return std::tanh(v); });
  check(UnaryOp::kRelu, [](double v) { return v < 0 ? 0 : v; });
  check(UnaryOp::kLeakyRelu, [](double v) { return v < 0 ? double(0.1f) * v : v; });
  check(UnaryOp::kSquare, [](double v) { return v * v; });
  check(UnaryOp::kSoftplus, [](double v) { return std::log1p(std::exp(v)); });

  const std::vector<float> a = {1, nan, 5}, b = {2, 2, nan};
  std::vector<float> out(3);
  simt::Launch(BinaryElements, {2}, {2}, 0, BinaryOp::kMaximum, a.data(), true, b.data(), true,
               out.data(), int64_t{3});
  CHECK(out[0] == 2);
  CHECK(std::isnan(out[1]));
  CHECK(std::isnan(out[2]));
  simt::Launch(BinaryElements, {1}, {2}, 0, BinaryOp::kSub, a.data(), true, b.data(), false,
               out.data(), int64_t{3});
  CHECK(out[0] == -1);
  CHECK(out[2] == 3);

  simt::Launch(BinaryElements, {1}, {2}, 0, BinaryOp::kGreater, b.data(), true, a.data(), true,
               out.data(), int64_t{3});
  CHECK(out == std::vector<float>{1, 0, 0});
  simt::Launch(BinaryElements, {1}, {2}, 0, BinaryOp::kEqual, a.data(), true, a.data(), true,
               out.data(), int64_t{3});
  CHECK(out == std::vector<float>{1, 0, 1});

  // [2, 1] and [3] to [2, 3]
  const std::vector<float> column = {10, 20}, row = {1, 2, 4};
  std::vector<float> table(6);
  Strides of_column, of_row;
  of_column.Add(2, 1), of_column.Add(3, 0);
  of_row.Add(2, 0), of_row.Add(3, 1);
  simt::Launch(BinaryBroadcast, {1}, {32}, 0, BinaryOp::kDiv, column.data(), of_column, row.data(),
               of_row, table.data(), int64_t{6});
  CHECK(table == std::vector<float>{10, 5, 2.5f, 20, 10, 5});
}

TEST_CASE("rearrange: places of any box") {
  const std::vector<float> in = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};  // [3, 4]
  std::vector<float> out(6, NAN);
  Strides from, to;  // every second column, from the second row on, transposed
  from.Add(2, 2), from.Add(2, 4);
  from.first = 4;
  to.Add(4, 1);
  to.first = 1;
  simt::Launch(MoveElements, {1}, {3}, 0, in.data(), from, out.data(), to, int64_t{4});
  CHECK(std::isnan(out[0]));
  CHECK(std::vector<float>(out.begin() + 1, out.begin() + 5) == std::vector<float>{4, 8, 6, 10});
  CHECK(std::isnan(out[5]));
}

TEST_CASE("reduce: sums and maxima in slices, NaN stays") {
  const int64_t outputs = 3, count = 1000;
  std::vector<float> x = RandomValues(outputs * count);
  Strides kept, reduced;  // [10][outputs][100] over the first and the last
  kept.Add(outputs, 100);
  reduced.Add(10, outputs * 100);
  reduced.Add(100, 1);
  const auto reduce = [&](bool max, double divisor) {
    constexpr unsigned kSlices = 3;
    std::vector<double> partial(outputs * kSlices);
    std::vector<float> out(outputs);
    simt::Launch(ReducePart, {kSlices, 2}, {kReduceThreads}, 64, max, x.data(), kept, reduced,
                 outputs, count, partial.data());
    simt::Launch(ReduceSlices, {1}, {2}, 0, max, partial.data(), int64_t{kSlices}, divisor,
                 out.data(), outputs);
    return out;
  };
  for (const bool max : {false, true}) {
    const std::vector<float> out = reduce(max, 2.0);
    for (int64_t o = 0; o < outputs; ++o) {
      double value = max ? -INFINITY : 0;
      for (int64_t k = 0; k < count; ++k) {
        const double v = x[(k / 100 * outputs + o) * 100 + k % 100];
        value = max ? std::max(value, v) : value + v;
      }
      CHECK(out[o] == doctest::Approx(value / 2).epsilon(1e-6));
    }
  }
  x[105] = NAN;  // of output 1
  const std::vector<float> out = reduce(true, 1.0);
  CHECK(out[0] > 0);
  CHECK(std::isnan(out[1]));
}

template <class T>
double Conv2dError(const ConvGeometry& g, int in, int channels) {
  const std::vector<float> x = RandomValues(int64_t{g.images} * g.height * g.width * in);
  const int taps = g.kernel_height * g.kernel_width;
  const std::vector<float> weight = RandomValues(int64_t{channels} * in * taps, 0.2f);
  const std::vector<float> bias = RandomValues(channels);
  const int blocks = DivideUp(channels, T::kBlockColumns) * T::kWarpsN;
  PackArguments p = {weight.data(),  nullptr,      0, channels, in, 0, taps,
                     g.kernel_width, g.chunks(in), 0};
  p.words = int64_t{blocks} * p.first_chunks * ChunkWords(T::kMath);
  std::vector<uint4> packed(p.words / 4);
  p.packed = reinterpret_cast<uint32_t*>(packed.data());
  simt::Launch(PackWeights<T::kMath, kNoGates>, {static_cast<unsigned>(DivideUp(p.words, 256))},
               {256}, 0, p);
  std::vector<float> out(int64_t{g.rows()} * channels, NAN);
  Conv2dArguments arguments = {};
  arguments.geometry = g;
  arguments.x = {nullptr, in, g.height * g.width, g.chunks(in)};
  arguments.x_data = {x.data()};
  arguments.weights = {packed.data()};
  arguments.bias = {bias.data()};
  arguments.out = {out.data()};
  arguments.channels = channels;
  arguments.inner = 1;
  arguments.outer_stride = g.out_pixels();
  arguments.row_stride = g.out_width;
  arguments.column_stride = 1;
  simt::Launch(Convolve2d<T>,
               {static_cast<unsigned>(DivideUp(g.rows(), T::kRows)),
                static_cast<unsigned>(blocks / T::kWarpsN)},
               {T::kThreads}, T::kSharedBytes, arguments);
  double largest = 0;
  for (int row = 0; row < g.rows(); ++row) {
    const int image = row / g.out_pixels(), pixel = row % g.out_pixels();
    for (int c = 0; c < channels; ++c) {
      double sum = bias[c];
      for (int tap = 0; tap < taps; ++tap) {
        const int y =
            pixel / g.out_width * g.stride_y - g.pad_top + tap / g.kernel_width * g.dilation_y;
        const int column =
            pixel % g.out_width * g.stride_x - g.pad_left + tap % g.kernel_width * g.dilation_x;
        if (y < 0 || y >= g.height || column < 0 || column >= g.width) continue;
        for (int k = 0; k < in; ++k) {
          sum += double(weight[(c * in + k) * taps + tap]) *
                 x[((image * g.height + y) * g.width + column) * in + k];
        }
      }
      const double error = std::fabs(out[row * channels + c] - sum);
      if (!(error <= largest)) largest = error;
    }
  }
  return largest;
}

// images, image, result, kernel, stride, padding, dilation
constexpr ConvGeometry kStrided = {2, 7, 6, 4, 3, 3, 2, 2, 2, 1, 0, 1, 2};
constexpr ConvGeometry kOneByOne = {1, 3, 3, 3, 3, 1, 1, 1, 1, 0, 0, 1, 1};

TEST_CASE("conv2d: stride, padding, dilation, columns beside the last") {
  CHECK(Conv2dError<SmallTile<Math::kFma>>(kStrided, 5, 3) < 1e-5);
  CHECK(Conv2dError<MediumTile<Math::kFma>>(kOneByOne, 4, 70) < 1e-5);
#if CONVLSTM_CUDA_ARCH >= 800
  CHECK(Conv2dError<SmallTile<Math::kTf32x3>>(kStrided, 5, 3) < 1e-5);
  CHECK(Conv2dError<LargeTile<Math::kTf32x3>>(kOneByOne, 4, 70) < 1e-5);
#endif
}

}  // namespace
}  // namespace convlstm::cuda
