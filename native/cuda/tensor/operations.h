// The CUDA engine's operations. Each puts its kernels on the device's stream and returns; storages
// as runtime/engine.h says.
#ifndef CONVLSTM_CUDA_TENSOR_OPERATIONS_H_
#define CONVLSTM_CUDA_TENSOR_OPERATIONS_H_

#include "cuda/device/device.h"
#include "ops/bernoulli.h"
#include "ops/conv2d.h"
#include "ops/conv_lstm.h"
#include "ops/elementwise.h"
#include "ops/optimizers.h"
#include "ops/rearrange.h"
#include "ops/reduce.h"

namespace convlstm::cuda {

struct Strides;

void Run(Device& device, const Fill& op);
void Run(Device& device, const Bernoulli& op);
void Run(Device& device, const Unary& op);
void Run(Device& device, const UnaryBackward& op);
void Run(Device& device, const Binary& op);

// The k-th place of `to` gets the k-th of `from`.
void Move(Device& device, const float* in, const Strides& from, float* out, const Strides& to);

void Run(Device& device, const Permute& op);
void Run(Device& device, const Slice& op);
void Run(Device& device, const SliceBackward& op);
void Run(Device& device, const Concat& op);

// Sums in float64, in an order that depends on the shape only.
void Run(Device& device, const Reduce& op);

// Leaves the result channels-last. Float32-class whatever the precision: the kernels of lower ones
// are those of the ConvLSTM.
void Run(Device& device, const Conv2d& op);
void Run(Device& device, const Conv2dBackward& op);

// Output and states are left channels-last. Packed weights are kept in weight->derived(), the
// graphs of sequences with the device.
void Run(Device& device, const ConvLstm& op);
void Run(Device& device, const ConvLstmStack& op);
// Gradients of x and of the states are left channels-last. The same bits whatever was saved.
void Run(Device& device, const ConvLstmBackward& op);

void Run(Device& device, const SgdStep& op);
void Run(Device& device, const RmspropStep& op);
void Run(Device& device, const AdamStep& op);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_OPERATIONS_H_
