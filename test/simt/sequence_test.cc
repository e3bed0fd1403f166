// Sequences of layers on the host: what depends on what, and that neither the order in which
// kernels run nor the way x is multiplied changes a bit.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "cuda/sequence_arguments.cuh"
#include "reference.h"
#include "simt/layer.h"

namespace convlstm::cuda {
namespace {

// What a node reads and writes, as bits: places of h, c of the layers, places of the sums of x.
struct Accesses {
  uint64_t reads = 0, writes = 0;
};

Accesses AccessesOf(const SequenceNode& node, int layers, int64_t steps_at_once) {
  const auto h = [&](int layer, int64_t t) {
    // The last layer has an output of all steps.
    const int64_t place = layer + 1 == layers ? t : t % kPlaces;
    return uint64_t{1} << (8 * layer + place);
  };
  const auto sums = [&](int64_t t) { return uint64_t{1} << (40 + t / steps_at_once % kPlaces); };
  if (node.input) return {0, sums(node.begin)};
  const int64_t t = node.begin;
  const uint64_t c = uint64_t{1} << (50 + node.layer);
  Accesses accesses = {c, c | h(node.layer, t)};
  if (t > 0) accesses.reads |= h(node.layer, t - 1);
  if (node.layer > 0) accesses.reads |= h(node.layer - 1, t);
  if (node.layer == 0 && steps_at_once > 0) accesses.reads |= sums(t);
  return accesses;
}

// [a] has bit b: b waits for a, directly or not.
using Reach = std::vector<uint64_t>;
Reach ReachOf(const std::vector<SequenceNode>& nodes) {
  Reach before(nodes.size());
  for (size_t b = 0; b < nodes.size(); ++b) {
    for (size_t a = 0; a < b; ++a) {
      for (const int last : nodes[b].after) {
        if (a == static_cast<size_t>(last) || (before[a] >> last & 1) != 0) {
          before[a] |= uint64_t{1} << b;
        }
      }
    }
  }
  return before;
}

// Two kernels that are not ordered, one of which writes what the other touches.
bool HasRace(const std::vector<SequenceNode>& nodes, int layers, int64_t steps_at_once) {
  REQUIRE(nodes.size() <= 64);
  const Reach before = ReachOf(nodes);
  for (size_t b = 0; b < nodes.size(); ++b) {
    const Accesses one = AccessesOf(nodes[b], layers, steps_at_once);
    for (size_t a = 0; a < b; ++a) {
      if ((before[a] >> b & 1) != 0) continue;
      const Accesses other = AccessesOf(nodes[a], layers, steps_at_once);
      if ((one.writes & (other.reads | other.writes)) != 0) return true;
      if ((one.reads & other.writes) != 0) return true;
    }
  }
  return false;
}

int Find(const std::vector<SequenceNode>& nodes, int layer, bool input, int64_t begin) {
  for (size_t k = 0; k < nodes.size(); ++k) {
    if (nodes[k].layer == layer && nodes[k].input == input && nodes[k].begin == begin) {
      return static_cast<int>(k);
    }
  }
  return -1;
}

TEST_CASE("nodes: in order, without races, and no edge is there in vain") {
  for (const int layers : {1, 2, 3, 4}) {
    for (const int64_t time : {1, 2, 3, 7}) {
      for (const int64_t steps_at_once : {0, 1, 2, 3, 7}) {
        CAPTURE(layers);
        CAPTURE(time);
        CAPTURE(steps_at_once);
        std::vector<SequenceNode> nodes = ListNodes(layers, time, steps_at_once);
        const int64_t products = steps_at_once == 0 ? 0 : (time - 1) / steps_at_once + 1;
        CHECK(static_cast<int64_t>(nodes.size()) == layers * time + products);
        for (size_t k = 0; k < nodes.size(); ++k) {
          for (const int a : nodes[k].after) CHECK(a < static_cast<int>(k));
        }
        CHECK_FALSE(HasRace(nodes, layers, steps_at_once));
        for (SequenceNode& node : nodes) {
          for (size_t edge = 0; edge < node.after.size(); ++edge) {
            const std::vector<int> all = node.after;
            node.after.erase(node.after.begin() + static_cast<int64_t>(edge));
            CHECK(HasRace(nodes, layers, steps_at_once));
            node.after = all;
          }
        }
      }
    }
  }
}

TEST_CASE("nodes: layers overlap, and products of x steps") {
  const std::vector<SequenceNode> nodes = ListNodes(3, 6, 2);
  const Reach before = ReachOf(nodes);
  const auto ordered = [&](int a, int b) { return ((before[a] >> b | before[b] >> a) & 1) != 0; };
  for (int64_t t = 0; t + 2 < 6; ++t) {
    CHECK_FALSE(ordered(Find(nodes, 0, false, t + 1), Find(nodes, 1, false, t)));
    CHECK_FALSE(ordered(Find(nodes, 0, false, t + 2), Find(nodes, 2, false, t)));
  }
  CHECK_FALSE(ordered(Find(nodes, 0, true, 2), Find(nodes, 0, false, 0)));
  CHECK_FALSE(ordered(Find(nodes, 0, true, 2), Find(nodes, 0, false, 1)));
  CHECK((before[Find(nodes, 0, false, 1)] >> Find(nodes, 0, true, 4) & 1) != 0);
}

TEST_CASE("products of x: where a step is too small and x deep enough") {
  const int gpu = 132;  // multiprocessors
  const auto steps = [&](Math math, int rows, int hidden, int taps, int in, int64_t time) {
    return StepsAtOnce(math, rows, hidden * 4, taps * in, time, gpu);
  };
  CHECK(steps(Math::kTf32x3, 4096, 64, 9, 1, 10) == 0);        // W1: x is 9 deep
  CHECK(steps(Math::kTf32x3, 4096, 64, 9, 64, 10) == 5);       // X1
  CHECK(steps(Math::kTf32x3, 64 * 4096, 64, 9, 64, 10) == 0);  // fills the GPU step by step
  CHECK(steps(Math::kTf32x3, 4096, 64, 9, 64, 1) == 0);
  CHECK(steps(Math::kTf32x3, 256, 64, 9, 64, 10) == 10);
  // Half the bytes of weights, half the gain.
  CHECK(steps(Math::kTf32x3, 4096, 64, 9, 32, 10) == 5);
  CHECK(steps(Math::kBf16, 4096, 64, 9, 32, 10) == 0);
}

// A stack of layers, each with its own memory.
template <template <Math> class TileOf, Math kMath>
struct Stack {
  using Tile = TileOf<kMath>;
  std::vector<ConvLstmCase> cases;

  struct Results {
    std::vector<float> output;
    std::vector<std::vector<float>> h, c;
    bool operator==(const Results&) const = default;
  };

  // All layers at once, nodes in any order that their edges allow.
  Results Run(int64_t steps_at_once, uint32_t seed) const {
    std::vector<PackedLayer> packed;
    std::vector<SequenceLayer> layers;
    std::vector<SequencePointers> pointers;
    std::vector<std::vector<float>> memory;
    memory.reserve(6 * cases.size() + 2);
    const auto hold = [&](std::vector<float> values) {
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
      layers.push_back({s, kMath, p.weights.data(), p.bias.data(),
                        p.peephole.empty() ? nullptr : p.peephole.data(),
                        test.peephole == Peephole::kSpatial, p.padded_hidden, !test.h0.empty(),
                        top});
      SequencePointers at = {};
      at.x = l > 0 ? pointers[l - 1].output : hold(ChannelsLast(test.x, s.input_dim, s.pixels()));
      at.h0 = hold(ChannelsLast(test.h0, s.hidden_dim, s.pixels()));
      at.c0 = hold(ChannelsLast(test.c0, s.hidden_dim, s.pixels()));
      at.h = results.h.emplace_back(state, NAN).data();
      at.c = results.c.emplace_back(state, NAN).data();
      if (top) {
        results.output.assign(state * s.time, NAN);
        at.output = results.output.data();
      } else {
        at.output = hold(std::vector<float>(state * kPlaces, NAN));
      }
      pointers.push_back(at);
    }
    const SequenceArguments arguments(layers, steps_at_once);
    pointers.front().sums_of_x = hold(std::vector<float>(arguments.sums_elements(), NAN));

    const std::vector<SequenceNode> nodes =
        ListNodes(static_cast<int>(layers.size()), layers.front().shape.time, steps_at_once);
    std::vector<bool> done(nodes.size());
    std::mt19937 random(seed);
    for (size_t k = 0; k < nodes.size(); ++k) {
      std::vector<size_t> ready;
      for (size_t n = 0; n < nodes.size(); ++n) {
        if (!done[n] && std::all_of(nodes[n].after.begin(), nodes[n].after.end(),
                                    [&](int before) { return done[before]; })) {
          ready.push_back(n);
        }
      }
      const size_t n = ready[random() % ready.size()];
      done[n] = true;
      const SequenceNode& node = nodes[n];
      // From memory, as in a graph.
      const SequencePointers* late = &pointers[node.layer];
      const auto grid = [&](int rows, int64_t sequences) {
        return dim3{
            static_cast<unsigned>(CeilDiv(rows, Tile::kRows)),
            static_cast<unsigned>(4 * layers[node.layer].padded_hidden / Tile::kBlockColumns),
            static_cast<unsigned>(sequences)};
      };
      if (node.input) {
        InputArguments p = arguments.InputOf(node.begin, node.end);
        p.late_pointers = late;
        simt::Launch(ConvLstmInput<Tile>, grid(p.geometry.rows(), arguments.sequences()),
                     {Tile::kThreads}, Tile::kSharedBytes, p);
      } else {
        StepArguments p = arguments.StepOf(node.layer, node.begin);
        p.late_pointers = late;
        simt::Launch(ConvLstmStep<Tile>, grid(p.geometry.rows(), 1), {Tile::kThreads},
                     Tile::kSharedBytes, p);
      }
    }
    return results;
  }

  // Layer after layer, every step multiplying its own x.
  Results RunOneByOne() const {
    Results results;
    std::vector<float> x;
    for (ConvLstmCase test : cases) {
      const ConvLstmShape& s = test.shape;
      if (!x.empty()) test.x = ChannelsLast(x, s.pixels(), s.input_dim);  // back to rows
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
    for (const int steps_at_once : {0, 2, 5}) {
      CAPTURE(time_major);
      CAPTURE(steps_at_once);
      CHECK(stack.Run(steps_at_once, steps_at_once) == expected);
    }
    // One layer alone against the reference, its x multiplied ahead.
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
#endif
}

TEST_CASE("sequence: one step") {
  const Stack<SmallTile, Math::kFma> stack = {
      {LayerCase(2, 1, false, 3, 4, {.states = true}), LayerCase(2, 1, false, 4, 5, {})}};
  CHECK(stack.Run(0, 1) == stack.RunOneByOne());
  CHECK(stack.Run(1, 1) == stack.RunOneByOne());
}

}  // namespace
}  // namespace convlstm::cuda
