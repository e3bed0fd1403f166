// ConvLSTM layers over a whole sequence.
#ifndef CONVLSTM_CPU_CONV_LSTM_SEQUENCE_H_
#define CONVLSTM_CPU_CONV_LSTM_SEQUENCE_H_

#include <vector>

#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Fills the storages of outputs, which have the right number of elements and are not allocated yet.
// Runs on the queue's thread and on the pool's. Outputs and states are left channels-last. Packed
// weights are kept in weight->derived(), unless the layer saves for a backward pass.
void ConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs, Precision precision,
              const ConvLstmOutputs& outputs, ThreadPool& pool);

// The same bits as ConvLstm layer by layer, each with the output of the one below as its x, without
// the sequences between the layers: three frames a layer and sequence of the batch.
void ConvLstmStack(const std::vector<ConvLstmLayer>& layers, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_SEQUENCE_H_
