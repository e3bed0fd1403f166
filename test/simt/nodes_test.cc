// Dependencies of the graphs' nodes: no races, and no redundant edges.
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "cuda/conv_lstm/backward_nodes.h"
#include "cuda/conv_lstm/sequence_nodes.h"

namespace convlstm::cuda {
namespace {

// The buffers that a node reads and writes, as bits: h and c of the layers, input projections.
struct Accesses {
  uint64_t reads = 0, writes = 0;
};

Accesses AccessesOf(const SequenceNode& node, int layers, int64_t steps_per_projection) {
  const auto h = [&](int layer, int64_t t) {
    // The last layer has an output of all steps, the others are double-buffered.
    const int64_t buffer = layer + 1 == layers ? t : t % kBuffers;
    return uint64_t{1} << (8 * layer + buffer);
  };
  const auto projection = [&](int64_t t) {
    return uint64_t{1} << (40 + t / steps_per_projection % kBuffers);
  };
  if (node.projection) return {0, projection(node.begin)};
  const int64_t t = node.begin;
  const uint64_t c = uint64_t{1} << (50 + node.layer);
  Accesses accesses = {c, c | h(node.layer, t)};
  if (t > 0) accesses.reads |= h(node.layer, t - 1);
  if (node.layer > 0) accesses.reads |= h(node.layer - 1, t);
  if (node.layer == 0 && steps_per_projection > 0) accesses.reads |= projection(t);
  return accesses;
}

// Bit b of [a]: b waits for a, directly or indirectly.
using Reach = std::vector<uint64_t>;
template <typename Node>
Reach ReachOf(const std::vector<Node>& nodes) {
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

// Whether two unordered kernels access the same buffer and one of them writes it.
template <typename Node, typename AccessesOf>
bool HasRace(const std::vector<Node>& nodes, const AccessesOf& accesses_of) {
  REQUIRE(nodes.size() <= 64);
  const Reach before = ReachOf(nodes);
  for (size_t b = 0; b < nodes.size(); ++b) {
    const Accesses one = accesses_of(nodes[b]);
    for (size_t a = 0; a < b; ++a) {
      if ((before[a] >> b & 1) != 0) continue;
      const Accesses other = accesses_of(nodes[a]);
      if ((one.writes & (other.reads | other.writes)) != 0) return true;
      if ((one.reads & other.writes) != 0) return true;
    }
  }
  return false;
}

// Nodes wait for earlier ones only, there is no race, and removing any edge causes one.
template <typename Node, typename AccessesOf>
void CheckEdges(std::vector<Node> nodes, const AccessesOf& accesses_of) {
  for (size_t k = 0; k < nodes.size(); ++k) {
    for (const int a : nodes[k].after) CHECK(a < static_cast<int>(k));
  }
  CHECK_FALSE(HasRace(nodes, accesses_of));
  for (Node& node : nodes) {
    for (size_t edge = 0; edge < node.after.size(); ++edge) {
      const std::vector<int> all = node.after;
      node.after.erase(node.after.begin() + static_cast<int64_t>(edge));
      CAPTURE(&node - nodes.data());
      CAPTURE(edge);
      CHECK(HasRace(nodes, accesses_of));
      node.after = all;
    }
  }
}

int Find(const std::vector<SequenceNode>& nodes, int layer, bool projection, int64_t begin) {
  for (size_t k = 0; k < nodes.size(); ++k) {
    if (nodes[k].layer == layer && nodes[k].projection == projection && nodes[k].begin == begin) {
      return static_cast<int>(k);
    }
  }
  return -1;
}

TEST_CASE("nodes: topological order, no races, no redundant edges") {
  for (const int layers : {1, 2, 3, 4}) {
    for (const int64_t time : {1, 2, 3, 7}) {
      for (const int64_t steps_per_projection : {0, 1, 2, 3, 7}) {
        CAPTURE(layers);
        CAPTURE(time);
        CAPTURE(steps_per_projection);
        const std::vector<SequenceNode> nodes = ListNodes(layers, time, steps_per_projection);
        const int64_t products =
            steps_per_projection == 0 ? 0 : (time - 1) / steps_per_projection + 1;
        CHECK(static_cast<int64_t>(nodes.size()) == layers * time + products);
        CheckEdges(nodes, [&](const SequenceNode& node) {
          return AccessesOf(node, layers, steps_per_projection);
        });
      }
    }
  }
}

TEST_CASE("nodes: layers overlap, and input projections overlap with steps") {
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

TEST_CASE("input projection: only if a step is too small and x deep enough") {
  const int gpu = 132;  // multiprocessors
  const auto steps = [&](Math math, int rows, int hidden, int taps, int in, int64_t time) {
    return StepsPerProjection(math, rows, hidden * 4, taps * in, time, gpu);
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

// The buffers of a node of the backward pass: gates and c of the steps (of the segment if they are
// recomputed), the gradients of h and c, the sums of the weights.
Accesses AccessesOf(const BackwardNode& node, const BackwardPlan& plan) {
  using Kind = BackwardNode::Kind;
  const auto slot = [&](int64_t t) { return plan.recomputes ? t - node.segment : t; };
  const auto gates = [&](int64_t t) { return uint64_t{1} << slot(t); };
  const auto c = [&](int64_t t) { return uint64_t{1} << (10 + slot(t)); };
  // c before step t, if it was recomputed in the segment.
  const auto c_before = [&](int64_t t) {
    return plan.recomputes && t > node.segment ? c(t - 1) : 0;
  };
  const auto masked_h = [&](int64_t t) {
    return plan.masked && t > 0 ? uint64_t{1} << (20 + t - std::max<int64_t>(node.segment, 1)) : 0;
  };
  constexpr uint64_t kHidden = uint64_t{1} << 40, kCell = uint64_t{1} << 41,
                     kUnused = uint64_t{1} << 42, kX = uint64_t{1} << 43,
                     kXWeights = uint64_t{1} << 44, kHWeights = uint64_t{1} << 45;
  const int64_t t = node.begin;
  Accesses of;
  const auto all = [&](const auto& bits) {
    uint64_t result = 0;
    for (int64_t step = node.begin; step < node.end; ++step) result |= bits(step);
    return result;
  };
  switch (node.kind) {
    case Kind::kMask:
      return {0, all(masked_h)};
    case Kind::kStep:
      return {c_before(t) | masked_h(t), gates(t) | c(t) | kUnused};
    case Kind::kDelta:
      return {c_before(t), gates(t) | kHidden | kCell};
    case Kind::kHidden:
      return {gates(t), kHidden};
    case Kind::kInput:  // different frames in every segment
      return {all(gates), kX << (t + 3)};
    case Kind::kInputWeights:
      return {all(gates), kXWeights};
    case Kind::kHiddenWeights:
      return {all(gates) | all(masked_h), kHWeights};
    case Kind::kFirstWeights:
      return {gates(0), kHWeights};
  }
  return of;
}

TEST_CASE("nodes of the backward pass: topological order, no races, no redundant edges") {
  for (const int64_t time : {1, 2, 3, 7}) {
    for (const int64_t segment_steps : {0, 1, 2, 3, 7}) {  // 0: nothing is recomputed
      for (int options = 0; options < 32; ++options) {
        if (segment_steps > time) continue;
        const auto option = [&](int k) { return (options >> k & 1) != 0; };
        const BackwardPlan plan = {time,
                                   segment_steps == 0 ? time : segment_steps,
                                   segment_steps > 0,
                                   option(0),
                                   option(1),
                                   option(2),
                                   option(3),
                                   option(4)};
        CAPTURE(time);
        CAPTURE(segment_steps);
        CAPTURE(options);
        CheckEdges(ListBackwardNodes(plan),
                   [&](const BackwardNode& node) { return AccessesOf(node, plan); });
      }
    }
  }
}

TEST_CASE("nodes of the backward pass: every requested gradient exactly once") {
  using Kind = BackwardNode::Kind;
  const auto count = [](const BackwardPlan& plan, Kind kind) {
    int64_t steps = 0;
    for (const BackwardNode& node : ListBackwardNodes(plan)) {
      if (node.kind == kind) steps += node.end - node.begin;
    }
    return steps;
  };
  for (const bool recomputes : {false, true}) {
    const BackwardPlan plan = {7, recomputes ? 3 : 7, recomputes, true, true, true, true, true};
    CHECK(count(plan, Kind::kStep) == (recomputes ? 7 : 0));
    for (const Kind kind : {Kind::kDelta, Kind::kHidden, Kind::kInput, Kind::kInputWeights}) {
      CHECK(count(plan, kind) == 7);
    }
    CHECK(count(plan, Kind::kMask) == 6);
    CHECK(count(plan, Kind::kHiddenWeights) == 6);
    CHECK(count(plan, Kind::kFirstWeights) == 1);
  }
  const BackwardPlan none = {7, 7, false, true, true, false, false, false};
  CHECK(ListBackwardNodes(none).size() == 7 + 6);
}

}  // namespace
}  // namespace convlstm::cuda
