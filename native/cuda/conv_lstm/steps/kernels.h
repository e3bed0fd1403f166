// The compiled step kernels. Each kind of product has a source file of its own, so that they are
// compiled side by side.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_
#define CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_

#include "cuda/conv_lstm/input.cuh"
#include "cuda/gemm/tiles.h"

namespace convlstm::cuda {

using StepKernel = GemmKernel<StepArguments>;
using InputKernel = GemmKernel<InputArguments>;

template <class Cell, Math kMath>
StepKernel FindStepKernel(TileSize size);
// Of the large tile or of the medium one: what needs a smaller one is not worth a product of x.
template <class Cell, Math kMath>
InputKernel FindInputKernel(TileSize size);

extern template StepKernel FindStepKernel<LstmCell, Math::kFma>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kTf32x3>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16x3>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16x3Wgmma>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16Wgmma>(TileSize);
extern template InputKernel FindInputKernel<LstmCell, Math::kFma>(TileSize);
extern template InputKernel FindInputKernel<LstmCell, Math::kTf32x3>(TileSize);
extern template InputKernel FindInputKernel<LstmCell, Math::kBf16x3>(TileSize);
extern template InputKernel FindInputKernel<LstmCell, Math::kBf16>(TileSize);
extern template InputKernel FindInputKernel<LstmCell, Math::kBf16x3Wgmma>(TileSize);
extern template InputKernel FindInputKernel<LstmCell, Math::kBf16Wgmma>(TileSize);

template <class Cell>
StepKernel FindStepKernel(Math math, TileSize size) {
  return WithMath(math, [size](auto kind) { return FindStepKernel<Cell, kind()>(size); });
}
template <class Cell>
InputKernel FindInputKernel(Math math, TileSize size) {
  return WithMath(math, [size](auto kind) { return FindInputKernel<Cell, kind()>(size); });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_
