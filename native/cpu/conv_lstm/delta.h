// The elementwise part of a step's backward pass: from the gradients of h and c to the deltas, the
// gradients of the gates' sums.
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

// One step. Each array has [batch] channels-last frames.
struct ConvLstmDeltaStep {
  const GatePointer* gates;  // gates * hidden channels; overwritten by deltas, k16Bits by bfloat16
  float* const* deltas;      // gates * hidden channels: with k16Bits the deltas in float32 too
  const float* const* c_in;  // hidden channels: c before the step; null for zeros
  // hidden channels, null for zeros. The gradient of h is the sum of both.
  const float* const* h_grad;
  const float* const* output_grad;
  float* const* c_grad;  // hidden channels: of c after the step, overwritten by that before it
};

// Runs the steps, and sums the gradients of bias and peepholes over them.
class ConvLstmDeltas {
 public:
  // Of `weights` only the peepholes are read, here.
  ConvLstmDeltas(const ConvLstmShape& shape, const ConvLstmWeights& weights, bool wants_bias,
                 bool wants_peepholes, Isa isa, ThreadPool& pool);

  void Run(const ConvLstmDeltaStep& step);

  // Writes the sums, row-major like their operands; null: not wanted.
  void Finish(float* bias, const std::array<float*, LstmCell::kPeepholes>& peepholes);

 private:
  const ConvLstmShape& shape_;
  const Isa isa_;
  ThreadPool& pool_;
  const bool spatial_;
  bool wants_sums_;
  Buffer peepholes_;          // [peephole][pixel, if spatial][hidden]
  Buffer spatial_sums_;       // their gradients in the same layout; only if spatial and wanted
  std::vector<double> sums_;  // [thread][gates, then peepholes][hidden]
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_DELTA_H_
