#ifndef CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_
#define CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_

#include "core/precision.h"
#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Fills the gradients that are there, which have the right number of elements and are not allocated
// yet, by backpropagation through time. inputs.saved is used up, and the gradients of the results
// go when the steps are through. `precision` is that of the forward call, whose steps are computed
// again with save_every above 1; the gradients themselves are computed in float32 whatever it says.
void ConvLstmBackward(const ConvLstmShape& shape, ConvLstmBackwardInputs inputs,
                      Precision precision, const ConvLstmGradients& gradients, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_
