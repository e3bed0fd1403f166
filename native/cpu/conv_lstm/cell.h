// Where a cell's update (cell-inl.h) reads and writes, beside the sums of its gates.
#ifndef CONVLSTM_CPU_CONV_LSTM_CELL_H_
#define CONVLSTM_CPU_CONV_LSTM_CELL_H_

#include <cstdint>

#include "core/buffer.h"
#include "cpu/conv_lstm/kernel.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// One vector of channels of one pixel.
struct CellPointers {
  const float* c_in;  // may be c
  float* c;
  float* h;
  const float* peepholes = nullptr;  // null for none
  int64_t peephole_stride = 0;       // floats from one peephole to the next
  GatePointer gates = {};            // null: not saved
  int64_t gate_stride = 0;           // elements from one gate to the next
};

// The peepholes of a layer with the channels innermost, as the state has them.
class PackedPeepholes {
 public:
  PackedPeepholes(const ConvLstmShape& shape, const ConvLstmWeights& weights, ThreadPool& pool);

  // The channels from `channel` on of `pixel` of a sequence of the batch.
  template <class Cell>
  CellPointers At(const ConvLstmStep& step, int64_t sequence, int64_t pixel,
                  int64_t channel) const {
    const int64_t state = pixel * hidden_dim_ + channel;
    float* const c = step.c[sequence] + state;
    const float* const c_in = step.c_in == nullptr ? c : step.c_in[sequence] + state;
    CellPointers at = {c_in, c, step.h_out[sequence] + state};
    if (values_) {
      at.peepholes = values_.as<float>() + pixel * pixel_stride_ + channel;
      at.peephole_stride = elements_;
    }
    if (step.gates != nullptr) {
      at.gates = step.gates[sequence] + pixel * Cell::kGates * hidden_dim_ + channel;
      at.gate_stride = hidden_dim_;
    }
    return at;
  }

 private:
  Buffer values_;  // [peephole][elements_]
  int64_t hidden_dim_;
  int64_t pixel_stride_ = 0;  // 0: the same for every pixel
  int64_t elements_ = 0;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_CELL_H_
