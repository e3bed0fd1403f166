// The LSTM cell: what its kernels' layouts depend on. Its arithmetic is in lstm_cell-inl.h.
#ifndef CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_H_
#define CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_H_

#include <cstdint>

namespace convlstm::cpu {

struct LstmCell {
  static constexpr int64_t kGates = 4;      // i, f, o, g, in the order of the weights
  static constexpr int64_t kPeepholes = 3;  // wci, wcf, wco: weights of c in the sums of i, f, o
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_LSTM_CELL_H_
