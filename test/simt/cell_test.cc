// The step kernel takes the number of gates, their columns and the update from its cell: here one
// with two gates instead of the LSTM's four.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "cuda/conv_lstm/input_projection.cuh"
#include "operations.h"
#include "simt/layer.h"

namespace convlstm::cuda {
namespace {

// c' = f c + (1 - f) g, h' = tanh(c'); no peepholes.
struct TwoGates {
  static constexpr int kF = 0, kG = 1;
  static constexpr int kGates = 2, kPeepholes = 1;

  template <class A, int kChannels>
  static void Update(const float (&)[kPeepholes][kChannels], const float (&old_c)[kChannels],
                     float (&gates)[kGates][kChannels], float (&new_c)[kChannels],
                     float (&new_h)[kChannels]) {
    for (int k = 0; k < kChannels; ++k) {
      const float f = A::Sigmoid(gates[kF][k]), g = A::Tanh(gates[kG][k]);
      new_c[k] = f * old_c[k] + (1.0f - f) * g;
      new_h[k] = A::Tanh(new_c[k]);
    }
  }
};

constexpr int kIn = 3, kHeight = 4, kWidth = 5, kPixels = kHeight * kWidth, kTaps = 9;
constexpr ConvGeometry kGeometry = {1, kHeight, kWidth, kHeight, kWidth, 3, 3, 1, 1, 1, 1, 1, 1};

struct State {
  std::vector<float> c, h;
  bool operator==(const State&) const = default;
};

// A step from x and h [pixel][channel] with weights [gate][hidden][channel][tap].
struct Step {
  int hidden;
  std::vector<float> x = RandomValues(kPixels * kIn), h = RandomValues(kPixels * hidden);
  std::vector<float> c = RandomValues(kPixels * hidden);
  std::vector<float> weight = RandomValues(2 * hidden * (kIn + hidden) * kTaps, 0.2f);

  // With `projected`, x is multiplied by InputProjection first.
  template <class T>
  State Run(bool projected) const {
    constexpr int kBlockChannels = WarpChannels(TwoGates::kGates) * T::kColumnBlocks;
    const int blocks = DivideUp(hidden, kBlockChannels) * T::kColumnBlocks;
    const int padded = blocks * WarpChannels(TwoGates::kGates);
    const int x_chunks = kGeometry.chunks(kIn), h_chunks = kGeometry.chunks(hidden);
    const std::vector<uint4> packed = Pack<T::kMath, TwoGates::kGates>(
        {weight.data(), nullptr, 0, hidden, kIn, hidden, kTaps, 3, x_chunks, h_chunks}, blocks);
    const std::vector<float> bias(TwoGates::kGates * padded, 0.25f);
    std::vector<float> sums(kPixels * TwoGates::kGates * padded, NAN);
    State next = {std::vector<float>(c.size(), NAN), std::vector<float>(h.size(), NAN)};
    const dim3 grid = {static_cast<unsigned>(RowBlocks(kGeometry, T::kRows, T::kMath)),
                       static_cast<unsigned>(blocks / T::kColumnBlocks)};
    if (projected) {
      ProjectionArguments p = {};
      p.geometry = kGeometry;
      p.x = {nullptr, kIn, kPixels, x_chunks};
      p.x_data = {x.data()};
      p.weights = {packed.data()};
      p.packed_chunks = x_chunks + h_chunks;
      p.bias = {bias.data()};
      p.padded_hidden = padded;
      p.out = {sums.data()};
      simt::Launch(InputProjection<TwoGates, T>, grid, {T::kThreads}, T::kSharedBytes, p);
    }
    StepArguments p = {};
    p.geometry = kGeometry;
    p.x = {nullptr, kIn, kPixels, projected ? 0 : x_chunks};
    p.h = {nullptr, hidden, kPixels, h_chunks};
    p.x_data = {x.data()};
    p.h_data = {h.data()};
    p.weights = {packed.data() + (projected ? x_chunks * (ChunkWords(T::kMath) / 4) : 0)};
    p.packed_chunks = x_chunks + h_chunks;
    p.bias = {bias.data()};
    p.projected = projected;
    p.projection = {sums.data()};
    p.projection_image_stride = kPixels;
    p.hidden = hidden;
    p.padded_hidden = padded;
    p.c_in = {c.data()};
    p.c = {next.c.data()};
    p.out = {next.h.data()};
    p.out_image_stride = kPixels;
    simt::Launch(ConvLstmStep<TwoGates, T>, grid, {T::kThreads}, T::kSharedBytes, p);
    return next;
  }

  double Sum(int gate, int channel, int pixel) const {
    double sum = 0.25;
    for (int k = 0; k < kIn + hidden; ++k) {
      for (int tap = 0; tap < kTaps; ++tap) {
        const int y = pixel / kWidth + tap / 3 - 1, column = pixel % kWidth + tap % 3 - 1;
        if (y < 0 || y >= kHeight || column < 0 || column >= kWidth) continue;
        const int from = y * kWidth + column;
        const double value = k < kIn ? x[from * kIn + k] : h[from * hidden + k - kIn];
        sum += value * weight[((gate * hidden + channel) * (kIn + hidden) + k) * kTaps + tap];
      }
    }
    return sum;
  }
};

template <class T>
void CheckTwoGates(int hidden) {
  CAPTURE(hidden);
  const Step step = {hidden};
  const State next = step.Run<T>(false);
  CHECK(step.Run<T>(true) == next);
  double largest = 0;
  for (int pixel = 0; pixel < kPixels; ++pixel) {
    for (int channel = 0; channel < hidden; ++channel) {
      const int at = pixel * hidden + channel;
      const double f = 1 / (1 + std::exp(-step.Sum(TwoGates::kF, channel, pixel)));
      const double c = f * step.c[at] + (1 - f) * std::tanh(step.Sum(TwoGates::kG, channel, pixel));
      for (const double error : {next.c[at] - c, next.h[at] - std::tanh(c)}) {
        if (!(std::fabs(error) <= largest)) largest = std::fabs(error);
      }
    }
  }
  CHECK(largest <= 5e-6);
}

TEST_CASE("step: a cell with two gates") {
  for (const int hidden : {8, 17, 40}) CheckTwoGates<SmallTile<Math::kFma>>(hidden);
#if CONVLSTM_CUDA_ARCH >= 800
  CheckTwoGates<MediumTile<Math::kTf32x3>>(40);
#endif
}

}  // namespace
}  // namespace convlstm::cuda
