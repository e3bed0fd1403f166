// The elementwise part of a ConvLSTM step's backward pass: from the gradients of h and c to those
// of the gates' sums ("deltas").
#ifndef CONVLSTM_CPU_CONV_LSTM_DELTA_H_
#define CONVLSTM_CPU_CONV_LSTM_DELTA_H_

#include <array>
#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/kernel.h"
#include "cpu/conv_lstm/lstm_cell.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// One step. Channels-last frames [batch], null pointers for zeros.
struct ConvLstmDeltaStep {
  const GatePointer* gates;  // become the deltas, in bfloat16 where they have 16 bits
  float* const* deltas;      // in the same order, where gates have 16 bits: the deltas in float32
  const float* const* c_in;  // c of the step before
  // The gradient of h is the sum of both.
  const float* const* h_grad;
  const float* const* output_grad;
  float* const* c_grad;  // of this step's c; becomes that of the step before
};

// Goes through the steps, and adds up the gradients that are sums over them.
class ConvLstmDeltas {
 public:
  // `weights` are row-major as in ConvLstmWeights; only the peepholes are looked at.
  ConvLstmDeltas(const ConvLstmShape& shape, const ConvLstmWeights& weights, bool wants_bias,
                 bool wants_peepholes, Isa isa, ThreadPool& pool);

  void Run(const ConvLstmDeltaStep& step);

  // Row-major, as their operands. A null pointer is not wanted.
  void Finish(float* bias, const std::array<float*, LstmCell::kPeepholes>& peepholes);

 private:
  const ConvLstmShape& shape_;
  const Isa isa_;
  ThreadPool& pool_;
  const bool spatial_;
  bool wants_sums_;
  Buffer peepholes_;          // channels innermost
  Buffer spatial_sums_;       // likewise their gradients, when spatial and wanted
  std::vector<double> sums_;  // [thread][gates, then peepholes][hidden]
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_DELTA_H_
