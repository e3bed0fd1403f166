// Backpropagation through time of one layer.
#ifndef CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_
#define CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_

#include "core/precision.h"
#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Fills the gradients that are not null: storages of the right number of elements, not allocated
// yet. Overwrites inputs.saved, and releases the gradients of the results when the steps are
// through. `precision` is the forward call's, whose steps are recomputed with save_every above 1;
// gradients are always computed in float32.
void ConvLstmBackward(const ConvLstmShape& shape, ConvLstmBackwardInputs inputs,
                      Precision precision, const ConvLstmGradients& gradients, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_BACKWARD_H_
