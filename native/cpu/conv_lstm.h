// The CPU backend's ConvLSTM: one layer over a whole sequence.
#ifndef CONVLSTM_CPU_CONV_LSTM_H_
#define CONVLSTM_CPU_CONV_LSTM_H_

#include <string>
#include <vector>

#include "cpu/conv_lstm_kernel.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Fills `outputs`, whose storages have the right number of elements and are not allocated yet. Runs
// on the queue's thread and on the pool's. Output and states are left channels-last. Packed weights
// are kept in weight->derived().
void ConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs, Precision precision,
              const ConvLstmOutputs& outputs, ThreadPool& pool);

// The kernel that serves a request, from measurements (docs/benchmarks.md).
const ConvLstmKernel& ChooseConvLstmKernel(const ConvLstmRequest& request);

// Distinct choices made so far in this process, for backendInfo(). Thread-safe.
std::vector<std::string> ChosenKernels();

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_H_
