// The CUDA engine's operations. Each puts its kernels on the device's stream and returns; storages
// as runtime/engine.h says.
#ifndef CONVLSTM_CUDA_TENSOR_OPERATIONS_H_
#define CONVLSTM_CUDA_TENSOR_OPERATIONS_H_

#include <vector>

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

void Fill(Device& device, float value, Storage& out);
void FillBernoulli(Device& device, const Bernoulli& bernoulli, Storage& out);
void Unary(Device& device, UnaryOp op, Storage& x, float alpha, Storage& out);
void UnaryBackward(Device& device, UnaryOp op, Storage& saved, Storage& grad, float alpha,
                   Storage& out);
void Binary(Device& device, BinaryOp op, const BinaryShapes& shapes, Storage& a, Storage& b,
            Storage& out);

// The k-th place of `to` gets the k-th of `from`.
void Move(Device& device, const float* in, const Strides& from, float* out, const Strides& to);

void Permute(Device& device, const Permutation& permutation, Storage& x, Storage& out);
void TakeSlice(Device& device, const Slice& slice, Storage& x, Storage& out);
void SliceBackward(Device& device, const Slice& slice, Storage& grad, Storage& out);
void Concatenate(Device& device, const Concatenation& concatenation,
                 const std::vector<StoragePtr>& parts, Storage& out);

// Sums in float64, in an order that depends on the shape only.
void Reduce(Device& device, const Reduction& reduction, Storage& x, Storage& out);

// Float32-class; leaves `out` channels-last.
void Conv2d(Device& device, const Conv2dShape& shape, const Conv2dInputs& inputs, Storage& out);

// Output and states are left channels-last. Packed weights are kept in weight->derived(), the
// graphs of sequences with the device.
void ConvLstm(Device& device, const ConvLstmShape& shape, const ConvLstmInputs& inputs,
              Precision precision, const ConvLstmOutputs& outputs);
void ConvLstmStack(Device& device, const std::vector<ConvLstmLayer>& layers);

void OptimizerStep(Device& device, const OptimizerOptions& options, Storage& grad,
                   const OptimizerState& before, const OptimizerState& after);

void Conv2dBackward(Device& device, const Conv2dShape& shape, const Conv2dInputs& inputs,
                    const StoragePtr& grad, const Conv2dGradients& gradients);

// Gradients of x and of the states are left channels-last. The same bits whatever was saved.
void ConvLstmBackward(Device& device, const ConvLstmShape& shape,
                      const ConvLstmBackwardInputs& inputs, Precision precision,
                      const ConvLstmGradients& gradients);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_OPERATIONS_H_
