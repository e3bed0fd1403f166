// What the fused state update (activations-inl.h) works on, beside the gates' sums.
#ifndef CONVLSTM_CPU_CONV_LSTM_CELL_H_
#define CONVLSTM_CPU_CONV_LSTM_CELL_H_

#include <cstdint>

#include "core/buffer.h"
#include "cpu/conv_lstm_kernel.h"
#include "cpu/thread_pool.h"

namespace convlstm::cpu {

// One vector of channels of one pixel: its state, and its peepholes, all null for none.
struct CellPointers {
  float* c;
  float* h;
  const float* wci;
  const float* wcf;
  const float* wco;
};

// The peepholes of a layer with the channels innermost, as the state has them.
class PackedPeepholes {
 public:
  PackedPeepholes(const ConvLstmShape& shape, const ConvLstmWeights& weights, ThreadPool& pool);

  // For the channels from `channel` on of `pixel`, in channels-last frames of c and h.
  CellPointers At(float* c_frame, float* h_frame, int64_t pixel, int64_t channel) const {
    const int64_t state = pixel * hidden_dim_ + channel;
    if (!values_) return {c_frame + state, h_frame + state, nullptr, nullptr, nullptr};
    const float* wci = values_.as<float>() + pixel * pixel_stride_ + channel;
    return {c_frame + state, h_frame + state, wci, wci + elements_, wci + 2 * elements_};
  }

 private:
  Buffer values_;  // wci, wcf, wco of elements_ each
  int64_t hidden_dim_;
  int64_t pixel_stride_ = 0;  // 0: the same for every pixel
  int64_t elements_ = 0;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_CELL_H_
