// ConvLSTM layers over a whole sequence.
#ifndef CONVLSTM_CPU_CONV_LSTM_SEQUENCE_H_
#define CONVLSTM_CPU_CONV_LSTM_SEQUENCE_H_

#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Outputs and states are left channels-last. Packed weights are kept in weight->derived(), unless
// the layer saves for a backward pass.
void Run(ThreadPool& pool, const ConvLstm& op);

// The same bits as ConvLstm layer by layer, each with the output of the one below as its x, without
// the sequences between the layers: three frames a layer and sequence of the batch.
void Run(ThreadPool& pool, const ConvLstmStack& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_SEQUENCE_H_
