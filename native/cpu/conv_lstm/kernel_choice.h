// Which kernel serves a layer, and a record of the choices.
#ifndef CONVLSTM_CPU_CONV_LSTM_KERNEL_CHOICE_H_
#define CONVLSTM_CPU_CONV_LSTM_KERNEL_CHOICE_H_

#include <string>
#include <vector>

#include "cpu/conv_lstm/kernel.h"

namespace convlstm::cpu {

// The fastest kernel for a request, from measurements (docs/benchmarks.md).
const ConvLstmKernel& ChooseConvLstmKernel(const ConvLstmRequest& request);

// Records a choice for ChosenKernels(), and prints it to stderr where CONVLSTM_DEBUG is 1.
// Thread-safe.
void RecordChoice(const ConvLstmRequest& request, const ConvLstmKernel& kernel);

// One line for each distinct choice of this process, at most 256, for backendInfo(). Thread-safe.
std::vector<std::string> ChosenKernels();

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_KERNEL_CHOICE_H_
