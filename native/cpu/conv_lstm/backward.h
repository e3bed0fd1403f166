// Backpropagation through time of one layer.
#ifndef CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_
#define CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_

#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Backpropagation through time. Overwrites `saved`, and releases the gradients of the results when
// the steps are through. With save_every above 1 steps are recomputed in the forward call's
// precision; gradients are always computed in float32.
void Run(ThreadPool& pool, ConvLstmBackward op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_
