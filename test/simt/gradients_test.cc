// The backward pass of a layer against float64 backpropagation, on the host.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "cuda/conv_lstm/backward_arguments.cuh"
#include "cuda/conv_lstm/mask_frames.cuh"
#include "cuda/convolution/sum_rows.cuh"
#include "gradient_reference.h"
#include "operations.h"
#include "simt/convolution_gradients.h"
#include "simt/layer.h"
#include "simt/run_nodes.h"

namespace convlstm::cuda {
namespace {

struct Gradients {
  std::vector<float> x, h0, c0, weight, bias, wci, wcf, wco;
  bool operator==(const Gradients&) const = default;
};

// Transposes [frame][pixel][channel] to [frame][channel][pixel].
std::vector<float> Rows(const std::vector<float>& frames, int64_t channels, int64_t pixels) {
  return ChannelsLast(frames, pixels, channels);
}

// The h of all steps in the layout of an output sequence.
std::vector<float> Sequence(const ConvLstmShape& s, const std::vector<LayerStep>& steps) {
  const int64_t frame = s.hidden_dim * s.pixels();
  std::vector<float> sequence(s.batch * s.time * frame);
  for (int64_t t = 0; t < s.time; ++t) {
    for (int64_t b = 0; b < s.batch; ++b) {
      std::copy_n(steps[t].h.begin() + b * frame, frame, sequence.begin() + s.frame(b, t) * frame);
    }
  }
  return sequence;
}

// All gradients of a layer. Kernels run in a random order that their dependencies allow and read
// operands from a table, as in a graph.
template <class T, class Gradient>
Gradients Backward(const ConvLstmCase& test, const ConvLstmResultGradients& given,
                   int64_t save_every, uint32_t seed) {
  const ConvLstmShape& s = test.shape;
  const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
  const auto pixels = static_cast<int>(s.pixels());
  const int64_t state = s.batch * pixels * hidden;
  const std::vector<LayerStep> steps = RunSteps<T>(test);
  const PackedLayer packed = PackLayer<T>(test);
  using Convolution = ConvolutionGradients<T, Gradient>;
  const ConvGeometry geometry = GeometryOf(s, s.batch);
  Convolution of_x(geometry, in, 4 * hidden, test.weight, 0, in + hidden);
  Convolution of_h(geometry, hidden, 4 * hidden, test.weight, in, in + hidden);

  SequenceLayer layer = {};
  layer.shape = s;
  layer.math = T::kMath;
  layer.padded_hidden = packed.padded_hidden;
  layer.spatial_peephole = test.peephole == Peephole::kSpatial;
  layer.has_h0 = !test.h0.empty();
  layer.has_output = true;
  layer.masked = !test.recurrent_mask.empty();
  layer.zoneout_h = !test.zoneout_h.empty();
  layer.zoneout_c = !test.zoneout_c.empty();
  layer.one_zoneout_h = test.zoneout_h.size() == 1;
  layer.one_zoneout_c = test.zoneout_c.size() == 1;
  layer.save_every = save_every;
  BackwardPlan plan = {};
  plan.time = s.time;
  plan.recomputes = save_every > 1;
  plan.segment_steps = plan.recomputes ? std::min(save_every, s.time) : s.time;
  plan.masked = layer.masked;
  plan.has_h0 = layer.has_h0;
  plan.wants_x = plan.wants_h0 = plan.wants_weight = true;

  std::vector<std::vector<float>> memory;
  memory.reserve(30);
  const auto hold = [&](std::vector<float> values) -> float* {
    return values.empty() ? nullptr : memory.emplace_back(std::move(values)).data();
  };
  const auto frames = [&](const std::vector<float>& rows, int64_t channels) {
    return hold(rows.size() == 1 ? rows : ChannelsLast(rows, channels, pixels));
  };
  std::vector<float> saved(SavedElements(s, save_every), NAN);
  const SavedFrames kept(s, save_every, saved.data());
  for (int64_t t = 0; t < s.time; ++t) {
    if (kept.has_gates()) std::copy(steps[t].gates.begin(), steps[t].gates.end(), kept.gates(t));
    if (kept.has_c(t)) std::copy(steps[t].c.begin(), steps[t].c.end(), kept.c(t));
  }
  std::vector<float> h_grad = ChannelsLast(given.h, hidden, pixels);
  std::vector<float> c_grad = ChannelsLast(given.c, hidden, pixels);
  std::vector<float> x_grad(test.x.size(), NAN);
  constexpr int kSlices = 2;
  std::vector<double> sums(kSlices * kDeltaSums<LstmCell> * hidden);
  std::vector<float> spatial_sums(layer.spatial_peephole ? 3 * hidden * pixels : 0);

  BackwardPointers at = {};
  at.layer.weights = packed.weights.data();
  at.layer.bias = packed.bias.data();
  at.layer.peephole = packed.peephole.empty() ? nullptr : packed.peephole.data();
  at.layer.x = frames(test.x, in);
  at.layer.h0 = frames(test.h0, hidden);
  at.layer.c0 = frames(test.c0, hidden);
  at.layer.output = hold(Sequence(s, steps));
  at.layer.saved = saved.data();
  at.layer.zoneout_h = frames(test.zoneout_h, hidden);
  at.layer.zoneout_c = frames(test.zoneout_c, hidden);
  at.layer.mask = frames(test.recurrent_mask, hidden);
  at.layer.masked_h0 = steps[0].masked_h.empty() ? nullptr : hold(steps[0].masked_h);
  at.output_grad = frames(given.output, hidden);
  at.h_grad = h_grad.data();
  at.c_grad = c_grad.data();
  at.x_grad = x_grad.data();
  at.x_weights = of_x.weights();
  at.h_weights = of_h.weights();
  at.x_partial = of_x.partial();
  at.h_partial = of_h.partial();
  at.sums = sums.data();
  at.spatial_sums = spatial_sums.empty() ? nullptr : spatial_sums.data();
  if (plan.masked) at.masked_h = hold(std::vector<float>(plan.segment_steps * state, NAN));
  if (plan.recomputes) {
    at.segment_gates = hold(std::vector<float>(4 * plan.segment_steps * state, NAN));
    at.segment_c = hold(std::vector<float>(plan.segment_steps * state, NAN));
    at.scratch_h = hold(std::vector<float>(state, NAN));
  }

  const int sum_count =
      test.peephole == Peephole::kChannel ? kDeltaSums<LstmCell> : LstmCell::kGates;
  const BackwardArguments arguments(layer, plan, sum_count, {{}, &at});
  RunNodes(ListBackwardNodes(plan), seed, [&](const BackwardNode& n) {
    using Kind = BackwardNode::Kind;
    switch (n.kind) {
      case Kind::kMask:
        simt::Launch(MaskFrames, {2}, {32}, 0, arguments.Mask(n.begin, n.end));
        break;
      case Kind::kStep:
        simt::Launch(ConvLstmStep<LstmCell, T>,
                     {static_cast<unsigned>(RowBlocks(geometry, T::kRows, T::kMath)),
                      static_cast<unsigned>(4 * packed.padded_hidden / T::kBlockColumns)},
                     {T::kThreads}, T::kSharedBytes, arguments.Step(n.segment, n.begin));
        break;
      case Kind::kDelta:
        simt::Launch(ConvLstmDelta<LstmCell>,
                     {kSlices, static_cast<unsigned>(ChannelBlocks(hidden))}, {kChannelThreads},
                     kChannelSharedBytes, arguments.Delta(n.segment, n.begin));
        break;
      case Kind::kHidden:
        of_h.Launch(arguments.Hidden(n.segment, n.begin));
        break;
      case Kind::kInput:
        of_x.Launch(arguments.Input(n.begin, n.end));
        break;
      case Kind::kInputWeights:
        of_x.Launch(arguments.InputWeights(n.begin, n.end));
        break;
      case Kind::kHiddenWeights:
      case Kind::kFirstWeights:
        of_h.Launch(arguments.HiddenWeights(n.segment, n.begin, n.end));
        break;
    }
  });

  Gradients result;
  result.x = Rows(x_grad, in, pixels);
  result.h0 = Rows(h_grad, hidden, pixels);
  result.c0 = Rows(c_grad, hidden, pixels);
  result.weight.resize(test.weight.size());
  of_x.Finish(result.weight);
  of_h.Finish(result.weight);
  const auto add_slices = [&](int first, int count) {
    std::vector<float> out(count);
    simt::Launch(AddSlices, {2}, {32}, 0, sums.data() + first * hidden, kSlices,
                 int64_t{kDeltaSums<LstmCell>} * hidden, out.data(), int64_t{count});
    return out;
  };
  result.bias = add_slices(0, 4 * hidden);
  if (test.peephole == Peephole::kChannel) {
    result.wci = add_slices(4, hidden);
    result.wcf = add_slices(5, hidden);
    result.wco = add_slices(6, hidden);
  } else if (layer.spatial_peephole) {
    const auto part = [&](int k) {
      const auto begin = spatial_sums.begin() + k * hidden * pixels;
      return Rows({begin, begin + hidden * pixels}, hidden, pixels);
    };
    result.wci = part(0);
    result.wcf = part(1);
    result.wco = part(2);
  }
  return result;
}

std::vector<ConvLstmCase> Cases() {
  const auto shape = [](int64_t batch, int64_t time, int64_t in, int64_t hidden, int64_t height,
                        int64_t width, int64_t kernel_height, int64_t kernel_width) {
    // Batches of three are batch-major, the others time-major.
    return ConvLstmShape{batch,  time,  batch < 3,     in,          hidden,
                         height, width, kernel_height, kernel_width};
  };
  return {
      MakeCase("one pixel, one channel", shape(1, 1, 1, 1, 1, 1, 3, 3)),
      MakeCase("one pixel, h0 and c0, T = 4", shape(1, 4, 1, 1, 1, 1, 3, 3), {.states = true}),
      MakeCase("17 channels, batch 3", shape(3, 2, 17, 17, 3, 3, 3, 3), {.states = true}),
      MakeCase("even kernel, peephole", shape(1, 2, 3, 20, 6, 7, 4, 2),
               {.states = true, .peephole = Peephole::kChannel}),
      MakeCase("channels a multiple of 4, spatial peephole, no bias",
               shape(2, 2, 8, 12, 5, 4, 3, 3), {.bias = false, .peephole = Peephole::kSpatial}),
      MakeCase("5x5, several slices", shape(2, 1, 4, 5, 7, 11, 5, 5)),
      MakeCase("masks, no h0 and c0", shape(2, 4, 3, 5, 4, 3, 3, 3), {.masks = true}),
      MakeCase("masks, states, peephole", shape(3, 2, 4, 8, 3, 3, 3, 3),
               {.states = true, .peephole = Peephole::kChannel, .masks = true}),
      MakeCase("1x1, 70 columns", shape(1, 2, 5, 33, 2, 70, 1, 1), {.states = true}),
  };
}

template <class T, class Gradient>
void CheckCases(double tolerance) {
  for (const ConvLstmCase& test : Cases()) {
    CAPTURE(test.name);
    const ConvLstmShape& s = test.shape;
    const int64_t state = s.batch * s.hidden_dim * s.pixels();
    const ConvLstmResultGradients given = {RandomValues(s.time * state), RandomValues(state),
                                           RandomValues(state)};
    const ConvLstmGradientValues exact = ConvLstmGradientReference(test).Run(given);
    const Gradients result = Backward<T, Gradient>(test, given, 1, 0);
    CHECK(RelativeError(result.x, exact.x) <= tolerance);
    CHECK(RelativeError(result.h0, exact.h0) <= tolerance);
    CHECK(RelativeError(result.c0, exact.c0) <= tolerance);
    CHECK(RelativeError(result.weight, exact.weight) <= tolerance);
    CHECK(RelativeError(result.bias, exact.bias) <= tolerance);
    CHECK(RelativeError(result.wci, exact.wci) <= tolerance);
    CHECK(RelativeError(result.wcf, exact.wcf) <= tolerance);
    CHECK(RelativeError(result.wco, exact.wco) <= tolerance);
    for (const int64_t save_every : {1, 2, 3}) {
      if (save_every > s.time + 1) continue;
      CAPTURE(save_every);
      CHECK(Backward<T, Gradient>(test, given, save_every, 7) == result);
    }
  }
}

TEST_CASE("gradients: FMA") {
  CheckCases<SmallTile<Math::kFma>, SmallGradientTile<Math::kFma>>(1e-6);
}
#if CONVLSTM_CUDA_ARCH >= 800
TEST_CASE("gradients: three TF32 products") {
  CheckCases<SmallTile<Math::kTf32x3>, SmallGradientTile<Math::kTf32x3>>(1e-6);
  CheckCases<MediumTile<Math::kTf32x3>, LargeGradientTile<Math::kTf32x3>>(1e-6);
}
TEST_CASE("gradients: three bfloat16 products") {
  CheckCases<SmallTile<Math::kBf16x3>, SmallGradientTile<Math::kBf16x3>>(3e-5);
}
TEST_CASE("gradients: one bfloat16 product") {
  CheckCases<SmallTile<Math::kBf16>, LargeGradientTile<Math::kBf16>>(1e-2);
}
#endif

}  // namespace
}  // namespace convlstm::cuda
