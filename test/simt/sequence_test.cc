// Sequences and stacks on the host. The bits depend neither on the order of the kernels nor on the
// input projection, and masks, zoneout and saved frames are those of single steps.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "cuda/conv_lstm/sequence_arguments.cuh"
#include "reference.h"
#include "simt/layer.h"
#include "simt/run_nodes.h"

namespace convlstm::cuda {
namespace {

// A stack of layers.
template <template <Math> class TileOf, Math kMath>
struct Stack {
  using Tile = TileOf<kMath>;
  std::vector<ConvLstmCase> cases;

  struct Results {
    std::vector<float> output;
    std::vector<std::vector<float>> h, c;
    std::vector<float> saved;
    bool operator==(const Results&) const = default;
  };

  // All layers together, nodes in a random order that their dependencies allow.
  Results Run(int64_t steps_per_projection, uint32_t seed, int64_t save_every = 0) const {
    std::vector<PackedLayer> packed;
    std::vector<SequenceLayer> layers;
    std::vector<LayerPointers> pointers;
    std::vector<std::vector<float>> memory;
    memory.reserve(12 * cases.size() + 2);
    const auto hold = [&](std::vector<float> values) -> float* {
      return values.empty() ? nullptr : memory.emplace_back(std::move(values)).data();
    };
    packed.reserve(cases.size());
    Results results;
    results.h.reserve(cases.size());
    results.c.reserve(cases.size());
    for (size_t l = 0; l < cases.size(); ++l) {
      const ConvLstmCase& test = cases[l];
      const ConvLstmShape& s = test.shape;
      const PackedLayer& p = packed.emplace_back(PackLayer<Tile>(test));
      const bool top = l + 1 == cases.size();
      const size_t state = s.batch * s.pixels() * s.hidden_dim;
      SequenceLayer layer = {s,
                             kMath,
                             p.padded_hidden,
                             test.peephole == Peephole::kSpatial,
                             !test.h0.empty(),
                             top,
                             false,
                             false,
                             false};
      layer.masked = !test.recurrent_mask.empty();
      layer.zoneout_h = !test.zoneout_h.empty();
      layer.zoneout_c = !test.zoneout_c.empty();
      layer.one_zoneout_h = test.zoneout_h.size() == 1;
      layer.one_zoneout_c = test.zoneout_c.size() == 1;
      layer.save_every = top ? save_every : 0;
      layers.push_back(layer);
      LayerPointers at = {};
      const auto frames = [&](const std::vector<float>& rows, int64_t channels) {
        return hold(rows.size() == 1 ? rows : ChannelsLast(rows, channels, s.pixels()));
      };
      at.weights = p.weights.data();
      at.bias = p.bias.data();
      at.peephole = p.peephole.empty() ? nullptr : p.peephole.data();
      at.x = l > 0 ? pointers[l - 1].output : frames(test.x, s.input_dim);
      at.h0 = frames(test.h0, s.hidden_dim);
      at.c0 = frames(test.c0, s.hidden_dim);
      at.zoneout_h = frames(test.zoneout_h, s.hidden_dim);
      at.zoneout_c = frames(test.zoneout_c, s.hidden_dim);
      at.h = results.h.emplace_back(state, NAN).data();
      at.c = results.c.emplace_back(state, NAN).data();
      if (top) {
        results.output.assign(state * s.time, NAN);
        at.output = results.output.data();
      } else {
        at.output = hold(std::vector<float>(state * kBuffers, NAN));
      }
      if (layer.save_every > 0) {
        results.saved.assign(SavedElements(s, save_every), NAN);
        at.saved = results.saved.data();
      }
      if (layer.masked) {
        const std::vector<float> mask = ChannelsLast(test.recurrent_mask, s.hidden_dim, s.pixels());
        at.mask = hold(mask);
        at.masked_h = hold(std::vector<float>(state * kBuffers, NAN));
        if (at.h0 != nullptr) {
          std::vector<float> masked(at.h0, at.h0 + state);
          for (size_t k = 0; k < state; ++k) masked[k] *= mask[k];
          at.masked_h0 = hold(masked);
        }
      }
      pointers.push_back(at);
    }
    pointers.front().projection = hold(std::vector<float>(
        SequenceArguments(layers, {}, steps_per_projection).projection_elements(), NAN));
    // Operands from a table, as in a graph.
    std::vector<OperandTable<LayerPointers>> operands;
    for (const LayerPointers& at : pointers) operands.push_back({{}, &at});
    const SequenceArguments arguments(layers, operands, steps_per_projection);

    const auto time = layers.front().shape.time;
    RunNodes(
        ListNodes(static_cast<int>(layers.size()), time, steps_per_projection), seed,
        [&](const SequenceNode& node) {
          const auto grid = [&](const ConvGeometry& geometry, int64_t sequences) {
            return dim3{
                static_cast<unsigned>(RowBlocks(geometry, Tile::kRows, Tile::kMath)),
                static_cast<unsigned>(4 * layers[node.layer].padded_hidden / Tile::kBlockColumns),
                static_cast<unsigned>(sequences)};
          };
          if (node.projection) {
            const ProjectionArguments p = arguments.ProjectionOf(node.begin, node.end);
            simt::Launch(InputProjection<LstmCell, Tile>, grid(p.geometry, arguments.sequences()),
                         {Tile::kThreads}, Tile::kSharedBytes, p);
          } else {
            const StepArguments p = arguments.StepOf(node.layer, node.begin);
            simt::Launch(ConvLstmStep<LstmCell, Tile>, grid(p.geometry, 1), {Tile::kThreads},
                         Tile::kSharedBytes, p);
          }
        });
    return results;
  }

  // Layer after layer, without input projection.
  Results RunOneByOne() const {
    Results results;
    std::vector<float> x;
    for (ConvLstmCase test : cases) {
      const ConvLstmShape& s = test.shape;
      if (!x.empty()) test.x = ChannelsLast(x, s.pixels(), s.input_dim);  // row-major again
      Results one = Stack{{test}}.Run(0, 0);
      x = results.output = std::move(one.output);
      results.h.push_back(std::move(one.h.front()));
      results.c.push_back(std::move(one.c.front()));
    }
    return results;
  }
};

ConvLstmCase LayerCase(int64_t batch, int64_t time, bool time_major, int64_t in, int64_t hidden,
                       const ConvLstmOptions& options) {
  return MakeCase("", {batch, time, time_major, in, hidden, 3, 5, 3, 3}, options);
}

template <template <Math> class TileOf, Math kMath>
void CheckStack(double tolerance) {
  for (const bool time_major : {false, true}) {
    const Stack<TileOf, kMath> stack = {
        {LayerCase(2, 5, time_major, 3, 17, {.states = true}),
         LayerCase(2, 5, time_major, 17, 4, {.peephole = Peephole::kSpatial}),
         LayerCase(2, 5, time_major, 4, 6, {.states = true, .peephole = Peephole::kChannel})}};
    const auto expected = stack.RunOneByOne();
    for (const int steps_per_projection : {0, 2, 5}) {
      CAPTURE(time_major);
      CAPTURE(steps_per_projection);
      CHECK(stack.Run(steps_per_projection, steps_per_projection) == expected);
    }
    // One layer against the reference, with an input projection.
    const ConvLstmCase& first = stack.cases.front();
    const auto results = Stack<TileOf, kMath>{{first}}.Run(2, 0);
    const ConvLstmReference<double> reference = RunReference<double>(first);
    const auto rows = [&](const std::vector<float>& values) {
      return ChannelsLast(values, first.shape.pixels(), first.shape.hidden_dim);
    };
    CHECK(LargestError(rows(results.output), reference.output) <= tolerance);
    CHECK(LargestError(rows(results.h.front()), reference.h) <= tolerance);
    CHECK(LargestError(rows(results.c.front()), reference.c) <= tolerance);
  }
}

TEST_CASE("sequence: layers as a wavefront, x ahead of the steps") {
  CheckStack<MediumTile, Math::kFma>(1e-6);
#if CONVLSTM_CUDA_ARCH >= 800
  CheckStack<LargeTile, Math::kTf32x3>(1e-6);
  CheckStack<SmallTile, Math::kBf16x3>(5e-5);
  CheckStack<MediumTile, Math::kBf16>(2e-2);
  CheckStack<MediumTile, Math::kBf16x3Wgmma>(5e-5);
#endif
}

TEST_CASE("sequence: one step") {
  const Stack<SmallTile, Math::kFma> stack = {
      {LayerCase(2, 1, false, 3, 4, {.states = true}), LayerCase(2, 1, false, 4, 5, {})}};
  CHECK(stack.Run(0, 1) == stack.RunOneByOne());
  CHECK(stack.Run(1, 1) == stack.RunOneByOne());
}

// One layer as a sequence with masks, zoneout and saved frames, against single steps.
template <template <Math> class TileOf, Math kMath>
void CheckExtended(const ConvLstmCase& test) {
  const ConvLstmShape& s = test.shape;
  const std::vector<LayerStep> steps = RunSteps<TileOf<kMath>>(test);
  const auto frames_of = [&](const std::vector<float>& sequence, int64_t t) {
    std::vector<float> frames;  // channels-last, in the order of the steps
    const int64_t frame = s.hidden_dim * s.pixels();
    for (int64_t b = 0; b < s.batch; ++b) {
      const auto begin = sequence.begin() + s.frame(b, t) * frame;
      frames.insert(frames.end(), begin, begin + frame);
    }
    return frames;
  };
  for (const int save_every : {0, 1, 2}) {
    for (const int steps_per_projection : {0, 2}) {
      CAPTURE(save_every);
      CAPTURE(steps_per_projection);
      auto results = Stack<TileOf, kMath>{{test}}.Run(steps_per_projection, 5, save_every);
      CHECK(results.h.front() == steps.back().h);
      CHECK(results.c.front() == steps.back().c);
      const SavedFrames saved(s, save_every, results.saved.data());
      for (int64_t t = 0; t < s.time; ++t) {
        CHECK(frames_of(results.output, t) == steps[t].h);
        const auto equal = [](const std::vector<float>& values, const float* found) {
          return std::equal(values.begin(), values.end(), found);
        };
        if (saved.has_gates()) CHECK(equal(steps[t].gates, saved.gates(t)));
        if (saved.has_c(t)) CHECK(equal(steps[t].c, saved.c(t)));
      }
    }
  }
}

TEST_CASE("sequence: masks, zoneout, saved frames") {
  for (const bool time_major : {false, true}) {
    ConvLstmCase masked = LayerCase(2, 5, time_major, 3, 6, {.states = true, .masks = true});
    CheckExtended<SmallTile, Math::kFma>(masked);
    masked.zoneout_h = {0.25f};  // one element for all; absent
    masked.zoneout_c = {};
    CheckExtended<SmallTile, Math::kFma>(masked);
    CheckExtended<SmallTile, Math::kFma>(
        LayerCase(2, 3, time_major, 4, 8, {.peephole = Peephole::kSpatial, .masks = true}));
    CheckExtended<SmallTile, Math::kFma>(LayerCase(1, 4, time_major, 4, 8, {.states = true}));
  }
  const Stack<SmallTile, Math::kFma> stack = {
      {LayerCase(2, 5, false, 3, 17, {.states = true, .masks = true}),
       LayerCase(2, 5, false, 17, 4, {.masks = true}), LayerCase(2, 5, false, 4, 6, {})}};
  const auto expected = stack.RunOneByOne();
  for (const int seed : {0, 1, 2}) CHECK(stack.Run(seed, seed) == expected);
}

}  // namespace
}  // namespace convlstm::cuda
