// The kernels of a layer's backward pass over a sequence, and which waits for which. Knows nothing
// of the driver, so that the tests of the host can look at it.
#ifndef CONVLSTM_CUDA_CONV_LSTM_BACKWARD_NODES_H_
#define CONVLSTM_CUDA_CONV_LSTM_BACKWARD_NODES_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace convlstm::cuda {

// What of a backward pass there is to do.
struct BackwardPlan {
  int64_t time;
  int64_t segment_steps;  // whose gates are there at once
  bool recomputes;        // the steps of a segment, for their gates and c; else these were saved
  bool masked;
  bool has_h0;
  bool wants_x, wants_h0, wants_weight;
};

struct BackwardNode {
  enum class Kind {
    kMask,    // h before steps begin to end, times the mask
    kStep,    // step `begin` once more: its gates and c
    kDelta,   // step `begin`: from the gradients of h and c to the deltas, in the gates' place
    kHidden,  // step `begin`: the gradient of the h before it
    kInput,   // steps begin to end: the gradient of x
    kInputWeights,   // steps begin to end: to the gradient of the weights, by x
    kHiddenWeights,  // steps begin to end: the same by h, which the output has
    kFirstWeights,   // step 0: the same by h0
  };
  Kind kind;
  int64_t segment;  // where the segment of these steps begins
  int64_t begin, end;
  // Places in the list of what must have run; all are before this one.
  std::vector<int> after;
};

//   a step again     reads   the c and the masked h before it
//                    writes  the segment's gates and c of it, and an h that nobody reads
//   a step's deltas  read    c before it, the gradients of h and c, its gates
//                    write   the gradients of h and c, its gates' place, the bias' sums
//   kHidden          reads   the step's deltas
//                    writes  the gradient of h
//   the others       read    the segment's deltas; kHiddenWeights also the masked h
//                    write   the sums of the weights, which kFirstWeights and kHiddenWeights share
//
// The gradients of x and of the weights run beside each other and beside the last kHidden; the
// steps of a segment take the place of the last segment's deltas.
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
  // The last of each kind; -1: none yet.
  int chain = -1, step = -1, input = -1, input_weights = -1, hidden_weights = -1;
  for (int64_t end = plan.time; end > 0;) {
    const int64_t begin = (end - 1) / plan.segment_steps * plan.segment_steps;
    // Those whose h before is one of the output.
    const int64_t first = std::max<int64_t>(begin, 1);
    int mask = -1;
    if (plan.masked && first < end && (plan.recomputes || plan.wants_weight)) {
      mask = add(Kind::kMask, begin, first, end, {plan.wants_weight ? hidden_weights : step});
    }
    if (plan.recomputes) {
      for (int64_t t = begin; t < end; ++t) {
        std::vector<int> after = {chain};
        if (t == begin) {  // whoever reads the deltas of the segment before; the mask waits for one
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
