// The CPU backend's stack of ConvLSTM layers over a whole sequence.
#ifndef CONVLSTM_CPU_CONV_LSTM_STACK_H_
#define CONVLSTM_CPU_CONV_LSTM_STACK_H_

#include <vector>

#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// The same as ConvLstm for each layer with the output of the one before as its x, bit for bit, but
// of the sequences between the layers only a few frames are there at a time.
void ConvLstmStack(const std::vector<ConvLstmLayer>& layers, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_STACK_H_
