// The compiled step and projection kernels. Each kind of product has its own source file, so that
// they compile in parallel.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_
#define CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_

#include "cuda/conv_lstm/input_projection.cuh"
#include "cuda/gemm/tiles.h"

namespace convlstm::cuda {

using StepKernel = GemmKernel<StepArguments>;
using ProjectionKernel = GemmKernel<ProjectionArguments>;

template <class Cell, Math kMath>
StepKernel FindStepKernel(TileSize size);
// With the large or the medium tile: a projection so small that it needs a smaller tile does not
// pay.
template <class Cell, Math kMath>
ProjectionKernel FindProjectionKernel(TileSize size);

extern template StepKernel FindStepKernel<LstmCell, Math::kFma>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kTf32x3>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16x3>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16x3Wgmma>(TileSize);
extern template StepKernel FindStepKernel<LstmCell, Math::kBf16Wgmma>(TileSize);
extern template ProjectionKernel FindProjectionKernel<LstmCell, Math::kFma>(TileSize);
extern template ProjectionKernel FindProjectionKernel<LstmCell, Math::kTf32x3>(TileSize);
extern template ProjectionKernel FindProjectionKernel<LstmCell, Math::kBf16x3>(TileSize);
extern template ProjectionKernel FindProjectionKernel<LstmCell, Math::kBf16>(TileSize);
extern template ProjectionKernel FindProjectionKernel<LstmCell, Math::kBf16x3Wgmma>(TileSize);
extern template ProjectionKernel FindProjectionKernel<LstmCell, Math::kBf16Wgmma>(TileSize);

template <class Cell>
StepKernel FindStepKernel(Math math, TileSize size) {
  return WithMath(math, [size](auto kind) { return FindStepKernel<Cell, kind()>(size); });
}
template <class Cell>
ProjectionKernel FindProjectionKernel(Math math, TileSize size) {
  return WithMath(math, [size](auto kind) { return FindProjectionKernel<Cell, kind()>(size); });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_
