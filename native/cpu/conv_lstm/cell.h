// What the fused state update (activations-inl.h) works on, beside the gates' sums.
#ifndef CONVLSTM_CPU_CONV_LSTM_CELL_H_
#define CONVLSTM_CPU_CONV_LSTM_CELL_H_

#include <cstdint>

#include "core/buffer.h"
#include "cpu/conv_lstm/kernel.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// One vector of channels of one pixel: its state, its peepholes, all null for none, and where its
// gates are left, null for nowhere.
struct CellPointers {
  const float* c_in;
  float* c;
  float* h;
  const float* wci;
  const float* wcf;
  const float* wco;
  GatePointer gates = {};
  int64_t gate_stride = 0;  // from i to f, f to o, o to g
};

// The peepholes of a layer with the channels innermost, as the state has them.
class PackedPeepholes {
 public:
  PackedPeepholes(const ConvLstmShape& shape, const ConvLstmWeights& weights, ThreadPool& pool);

  // For the channels from `channel` on of `pixel` of a sequence of the batch.
  CellPointers At(const ConvLstmStep& step, int64_t sequence, int64_t pixel,
                  int64_t channel) const {
    const int64_t state = pixel * hidden_dim_ + channel;
    float* const c = step.c[sequence] + state;
    const float* const c_in = step.c_in == nullptr ? c : step.c_in[sequence] + state;
    CellPointers at = {c_in, c, step.h_out[sequence] + state, nullptr, nullptr, nullptr};
    if (values_) {
      at.wci = values_.as<float>() + pixel * pixel_stride_ + channel;
      at.wcf = at.wci + elements_;
      at.wco = at.wcf + elements_;
    }
    if (step.gates != nullptr) {
      at.gates = step.gates[sequence] + pixel * 4 * hidden_dim_ + channel;
      at.gate_stride = hidden_dim_;
    }
    return at;
  }

 private:
  Buffer values_;  // wci, wcf, wco of elements_ each
  int64_t hidden_dim_;
  int64_t pixel_stride_ = 0;  // 0: the same for every pixel
  int64_t elements_ = 0;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_CELL_H_
