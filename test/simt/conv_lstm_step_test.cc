// The ConvLSTM step against a float64 reference, on the host.
#include "cuda/conv_lstm_step.cuh"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "cuda/pack_weights.cuh"
#include "cuda/tiles.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

// [frames][channels][pixels] to [frames][pixels][channels].
std::vector<float> ChannelsLast(const std::vector<float>& rows, int64_t channels, int64_t pixels) {
  std::vector<float> out(rows.size());
  for (size_t k = 0; k < rows.size(); ++k) {
    const int64_t i = static_cast<int64_t>(k);
    const int64_t frame = i / (channels * pixels), c = i / pixels % channels, p = i % pixels;
    out[(frame * pixels + p) * channels + c] = rows[k];
  }
  return out;
}

template <Math kMath>
std::vector<uint4> Pack(PackArguments p, int blocks) {
  p.words = int64_t{blocks} * (p.first_chunks + p.second_chunks) * ChunkWords(kMath);
  std::vector<uint4> packed(p.words / 4);
  p.packed = reinterpret_cast<uint32_t*>(packed.data());
  simt::Launch(PackWeights<kMath>, {static_cast<unsigned>(CeilDiv(p.words, 256))}, {256}, 0, p);
  return packed;
}

// Largest error of output and c over the whole sequence.
template <class T>
double ErrorOf(const ConvLstmCase& test) {
  const ConvLstmShape& s = test.shape;
  const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
  const auto batch = static_cast<int>(s.batch), time = static_cast<int>(s.time);
  const auto pixels = static_cast<int>(s.pixels());
  const ConvGeometry geometry = {batch,
                                 static_cast<int>(s.height),
                                 static_cast<int>(s.width),
                                 static_cast<int>(s.height),
                                 static_cast<int>(s.width),
                                 static_cast<int>(s.kernel_height),
                                 static_cast<int>(s.kernel_width),
                                 1,
                                 1,
                                 static_cast<int>(s.pad_top()),
                                 static_cast<int>(s.pad_left()),
                                 1,
                                 1};
  const int blocks = CeilDiv(hidden, kWarpChannels * T::kWarpsN) * T::kWarpsN;
  const int padded = blocks * kWarpChannels;
  const std::vector<uint4> packed =
      Pack<T::kMath>({test.weight.data(), nullptr, 0, hidden, true, in, hidden,
                      static_cast<int>(s.kernel_height * s.kernel_width), geometry.chunks(in),
                      geometry.chunks(hidden)},
                     blocks);
  std::vector<float> bias(4 * padded), peephole;
  for (int k = 0; k < 4 * hidden && !test.bias.empty(); ++k) {
    bias[k / hidden * padded + k % hidden] = test.bias[k];
  }
  const bool spatial = test.peephole == Peephole::kSpatial;
  for (const std::vector<float>* w : {&test.wci, &test.wcf, &test.wco}) {
    const std::vector<float> last = spatial ? ChannelsLast(*w, hidden, pixels) : *w;
    peephole.insert(peephole.end(), last.begin(), last.end());
  }

  // Every step has its frames in a heap block of its own, so that reads beside them show.
  std::vector<float> c = ChannelsLast(test.c0, hidden, pixels);
  const bool has_c0 = !c.empty();
  c.resize(static_cast<size_t>(batch) * pixels * hidden);
  std::vector<float> h = ChannelsLast(test.h0, hidden, pixels);
  const std::vector<float> x = ChannelsLast(test.x, in, pixels);
  std::vector<float> output(static_cast<size_t>(batch) * time * pixels * hidden);
  for (int t = 0; t < time; ++t) {
    std::vector<float> x_step, out(static_cast<size_t>(batch) * pixels * hidden, NAN);
    for (int b = 0; b < batch; ++b) {
      const auto frame = x.begin() + s.frame(b, t) * pixels * in;
      x_step.insert(x_step.end(), frame, frame + int64_t{pixels} * in);
    }
    const StepArguments p = {
        .geometry = geometry,
        .x = {nullptr, in, pixels, geometry.chunks(in)},
        .h = {nullptr, hidden, pixels, h.empty() ? 0 : geometry.chunks(hidden)},
        .weights = packed.data(),
        .bias = bias.data(),
        .peephole = peephole.empty() ? nullptr : peephole.data(),
        .peephole_elements = static_cast<int64_t>(peephole.size()) / 3,
        .peephole_pixel_stride = spatial ? hidden : 0,
        .hidden = hidden,
        .padded_hidden = padded,
        .pointers = {x_step.data(), h.data(), t > 0 || has_c0 ? c.data() : nullptr, out.data(),
                     c.data()},
        .late_pointers = nullptr,
        .first = true,
        .x_offset = 0,
        .h_offset = 0,
        .out_offset = 0,
        .out_image_stride = pixels,
        .packed_chunks = geometry.chunks(in) + geometry.chunks(hidden)};
    simt::Launch(ConvLstmStep<T>,
                 {static_cast<unsigned>(CeilDiv(geometry.rows(), T::kRows)),
                  static_cast<unsigned>(blocks / T::kWarpsN)},
                 {T::kThreads}, T::kSharedBytes, p);
    for (int b = 0; b < batch; ++b) {
      std::copy_n(out.begin() + int64_t{b} * pixels * hidden, int64_t{pixels} * hidden,
                  output.begin() + s.frame(b, t) * pixels * hidden);
    }
    h = out;
  }
  const ConvLstmReference<double> expected = RunReference<double>(test);
  const auto channels_last = [&](const std::vector<double>& rows) {
    return ChannelsLast(std::vector<float>(rows.begin(), rows.end()), hidden, pixels);
  };
  return std::max(LargestError(output, channels_last(expected.output)),
                  LargestError(c, channels_last(expected.c)));
}

std::vector<ConvLstmCase> Cases() {
  const auto shape = [](int64_t batch, int64_t time, int64_t in, int64_t hidden, int64_t height,
                        int64_t width, int64_t kernel_height, int64_t kernel_width) {
    return ConvLstmShape{batch,  time,  false,         in,          hidden,
                         height, width, kernel_height, kernel_width};
  };
  return {
      MakeCase("one pixel, one channel", shape(1, 1, 1, 1, 1, 1, 3, 3)),
      MakeCase("one pixel, h0 and c0, T = 3", shape(1, 3, 1, 1, 1, 1, 3, 3), {.states = true}),
      MakeCase("17 channels, batch 3", shape(3, 2, 17, 17, 3, 3, 3, 3), {.states = true}),
      MakeCase("even kernel, peephole", shape(1, 2, 3, 20, 6, 7, 4, 2),
               {.states = true, .peephole = Peephole::kChannel}),
      MakeCase("whole pieces, spatial peephole", shape(2, 2, 8, 12, 5, 4, 3, 3),
               {.bias = false, .peephole = Peephole::kSpatial}),
      MakeCase("several blocks, time major",
               [&] {
                 ConvLstmShape s = shape(2, 2, 4, 20, 7, 11, 5, 5);
                 s.time_major = true;
                 return s;
               }()),
      MakeCase("1x1", shape(1, 2, 5, 4, 4, 4, 1, 1), {.hard_weights = true}),
  };
}

template <template <Math> class TileOf, Math kMath>
void CheckCases(double tolerance) {
  for (const ConvLstmCase& test : Cases()) {
    CAPTURE(test.name);
    const double error = ErrorOf<TileOf<kMath>>(test);
    CHECK(error <= tolerance);
  }
}

TEST_CASE("step: FMA") {
  CheckCases<SmallTile, Math::kFma>(1e-6);
  CheckCases<MediumTile, Math::kFma>(1e-6);
}

#if CONVLSTM_CUDA_ARCH >= 800
TEST_CASE("step: three TF32 products") {
  CheckCases<SmallTile, Math::kTf32x3>(1e-6);
  CheckCases<MediumTile, Math::kTf32x3>(1e-6);
  CheckCases<LargeTile, Math::kTf32x3>(1e-6);
}
TEST_CASE("step: three bfloat16 products") {
  CheckCases<SmallTile, Math::kBf16x3>(5e-5);
  CheckCases<MediumTile, Math::kBf16x3>(5e-5);
}
TEST_CASE("step: one bfloat16 product") {
  CheckCases<SmallTile, Math::kBf16>(2e-2);
  CheckCases<LargeTile, Math::kBf16>(2e-2);
}
#endif

}  // namespace
}  // namespace convlstm::cuda
