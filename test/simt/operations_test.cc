// The kernels of the other operations against their definition, on the host.
#include "operations.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "cuda/convolution/conv2d.cuh"
#include "cuda/gemm/pack_weights.cuh"
#include "cuda/gemm/tiles.h"
#include "cuda/tensor/bernoulli.cuh"
#include "cuda/tensor/elementwise.cuh"
#include "cuda/tensor/layout.cuh"
#include "cuda/tensor/optimizers.cuh"
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

// The engine's grids, and so all cases of test/operations, have a thread for each of a few
// elements.
TEST_CASE("elementwise: more elements than the grid has threads") {
  constexpr int64_t kCount = 1003;
  const std::vector<float> x = RandomValues(kCount), grad = RandomValues(kCount);
  const SgdFactors sgd = FactorsOf(SgdOptions{0.1, 0.9, 0.3, true, 0.1});
  const BernoulliMask mask = {0.5, 2.0f, 1, 2, 0};
  SlicedAxes sliced;
  sliced.Add({2 * kCount, 1, 2, kCount});
  const auto run = [&](dim3 grid) {
    std::vector<std::vector<float>> results(6, std::vector<float>(2 * kCount, -1));
    const auto out = [&](size_t k) { return results[k].data(); };
    simt::Launch(UnaryElements, grid, {32}, 0, UnaryOp::kTanh, x.data(), 0.0f, out(0), kCount);
    simt::Launch(UnaryBackwardElements, grid, {32}, 0, UnaryOp::kTanh, x.data(), grad.data(), 0.0f,
                 out(1), kCount);
    simt::Launch(BinaryElements, grid, {32}, 0, BinaryOp::kSub, x.data(), true, grad.data(), true,
                 out(2), kCount);
    simt::Launch(BernoulliElements, grid, {32}, 0, mask, mask.threshold(), out(3), kCount);
    simt::Launch(SliceBackwardElements, grid, {32}, 0, grad.data(), sliced, out(4), 2 * kCount);
    const OptimizerArrays arrays = {x.data(), grad.data(), {}, out(5), {out(5) + kCount, nullptr}};
    simt::Launch(SgdElements, grid, {32}, 0, sgd, arrays, kCount);
    return results;
  };
  CHECK(run({2}) == run({64}));
}

TEST_CASE("elementwise: broadcasting") {
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
