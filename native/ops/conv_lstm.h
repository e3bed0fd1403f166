// One ConvLSTM layer over a whole sequence (Shi et al. 2015), the operation this package exists
// for.
//
//   i = sigmoid(W_i * [x_t, h_{t-1}] + b_i (+ Wci . c_{t-1}))
//   f = sigmoid(W_f * [x_t, h_{t-1}] + b_f (+ Wcf . c_{t-1}))
//   g = tanh   (W_g * [x_t, h_{t-1}] + b_g)
//   c_t = f . c_{t-1} + i . g
//   o = sigmoid(W_o * [x_t, h_{t-1}] + b_o (+ Wco . c_t))
//   h_t = o . tanh(c_t)
//
// The convolution keeps the image's size: (k - 1) / 2 zeros before and the rest of k - 1 after, so
// an even kernel has its extra zero below and to the right (PyTorch's and Keras' `same`).
#ifndef CONVLSTM_OPS_CONV_LSTM_H_
#define CONVLSTM_OPS_CONV_LSTM_H_

#include <cstdint>

#include "core/precision.h"
#include "core/storage.h"

namespace convlstm {

enum class Peephole { kNone, kChannel, kSpatial };

struct ConvLstmShape {
  int64_t batch;
  int64_t time;
  bool time_major;  // frames of x and output are [time][batch], else [batch][time]
  int64_t input_dim;
  int64_t hidden_dim;
  int64_t height;
  int64_t width;
  int64_t kernel_height;
  int64_t kernel_width;

  int64_t pixels() const { return height * width; }
  int64_t pad_top() const { return (kernel_height - 1) / 2; }
  int64_t pad_left() const { return (kernel_width - 1) / 2; }
  // Which frame of x and of output holds step `t` of sequence `b`.
  int64_t frame(int64_t b, int64_t t) const { return time_major ? t * batch + b : b * time + t; }
};

struct ConvLstmInputs {
  StoragePtr x;       // [batch, time, input_dim, height, width] or time first
  StoragePtr weight;  // [4 * hidden, input + hidden, kernel_height, kernel_width], gates i f o g
  StoragePtr bias;    // [4 * hidden] or null
  Peephole peephole = Peephole::kNone;
  StoragePtr wci, wcf, wco;  // [hidden] or [hidden, height, width]; null without peephole
  StoragePtr h0, c0;         // [batch, hidden, height, width] or null for zeros
};

struct ConvLstmOutputs {
  StoragePtr output;  // [batch, time, hidden, height, width] or time first
  StoragePtr h, c;    // [batch, hidden, height, width]
};

// Throws Error(kShape) unless every storage present has the number of elements that `shape` says
// and every dimension is at least 1.
void CheckConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_CONV_LSTM_H_
