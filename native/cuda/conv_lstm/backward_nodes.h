// The kernels of a layer's backward pass over a sequence and their dependencies. Independent of the
// CUDA runtime, so that the tests can inspect it on the host.
#ifndef CONVLSTM_CUDA_CONV_LSTM_BACKWARD_NODES_H_
#define CONVLSTM_CUDA_CONV_LSTM_BACKWARD_NODES_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace convlstm::cuda {

// The work of a backward pass.
struct BackwardPlan {
  int64_t time;
  int64_t segment_steps;  // steps whose gates are in memory at once
  bool recomputes;        // gates and c of a segment are recomputed; else they were saved
  bool masked;
  bool has_h0;
  bool wants_x, wants_h0, wants_weight;
};

struct BackwardNode {
  enum class Kind {
    kMask,           // steps [begin, end): the previous h times the mask
    kStep,           // step `begin`: recomputes its gates and c
    kDelta,          // step `begin`: deltas from the gradients of h and c, over the gates
    kHidden,         // step `begin`: the gradient of the previous h
    kInput,          // steps [begin, end): the gradient of x
    kInputWeights,   // steps [begin, end): adds to the gradient of x's weights
    kHiddenWeights,  // steps [begin, end): adds to the gradient of h's weights, from the output
    kFirstWeights,   // step 0: the same from h0
  };
  Kind kind;
  int64_t segment;  // first step of the segment
  int64_t begin, end;
  std::vector<int> after;  // indices of the nodes to wait for, all smaller than its own
};

//   kStep                reads   c and masked h before the step
//                        writes  gates and c of the segment, and an h that nobody reads
//   kDelta               reads   c before the step, its gates, the gradients of h and c
//                        writes  the deltas over the gates, the gradients of h and c, bias sums
//   kHidden              reads   the deltas of the step
//                        writes  the gradient of h
//   the others           read    the deltas of the segment; kHiddenWeights also the masked h
//                        write   the weights' sums, shared by kFirstWeights and kHiddenWeights
//
// The gradients of x and of the weights overlap with each other and with the last kHidden.
// Recomputed gates overwrite the deltas of the segment before (later in time).
inline std::vector<BackwardNode> ListBackwardNodes(const BackwardPlan& plan) {
  using Kind = BackwardNode::Kind;
  std::vector<BackwardNode> nodes;
  const auto add = [&](Kind kind, int64_t segment, int64_t begin, int64_t end,
                       const std::vector<int>& after) {
    BackwardNode node = {kind, segment, begin, end, {}};
    for (const int before : after) {
      if (before >= 0) node.after.push_back(before);
    }
    nodes.push_back(std::move(node));
    return static_cast<int>(nodes.size()) - 1;
  };
  // Index of the last node of each kind, -1 for none. `chain` is the critical path.
  int chain = -1, step = -1, input = -1, input_weights = -1, hidden_weights = -1;
  for (int64_t end = plan.time; end > 0;) {
    const int64_t begin = (end - 1) / plan.segment_steps * plan.segment_steps;
    // The first step whose previous h is in the output.
    const int64_t first = std::max<int64_t>(begin, 1);
    int mask = -1;
    if (plan.masked && first < end && (plan.recomputes || plan.wants_weight)) {
      mask = add(Kind::kMask, begin, first, end, {plan.wants_weight ? hidden_weights : step});
    }
    if (plan.recomputes) {
      for (int64_t t = begin; t < end; ++t) {
        std::vector<int> after = {chain};
        if (t == begin) {  // waits for the readers of the previous segment's deltas
          after.insert(after.end(), {input, input_weights});
          if (mask < 0 || begin < first) after.push_back(hidden_weights);
        }
        if (t == first) after.push_back(mask);
        chain = step = add(Kind::kStep, begin, t, t + 1, after);
      }
    }
    int deltas = -1;
    for (int64_t t = end; t-- > begin;) {
      chain = deltas = add(Kind::kDelta, begin, t, t + 1, {chain});
      if (t > 0 || plan.wants_h0) chain = add(Kind::kHidden, begin, t, t + 1, {chain});
    }
    if (plan.wants_x) input = add(Kind::kInput, begin, begin, end, {deltas});
    if (plan.wants_weight) {
      input_weights = add(Kind::kInputWeights, begin, begin, end, {deltas});
      int before = deltas;
      if (first < end) {
        hidden_weights = before =
            add(Kind::kHiddenWeights, begin, first, end, {deltas, plan.recomputes ? -1 : mask});
      }
      if (begin == 0 && plan.has_h0) add(Kind::kFirstWeights, begin, 0, 1, {before});
    }
    end = begin;
  }
  return nodes;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_BACKWARD_NODES_H_
