// The compiled step kernels. Each kind of product has a source file of its own, so that they are
// compiled side by side.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_
#define CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_

#include "cuda/conv_lstm/input.cuh"
#include "cuda/gemm/tiles.h"

namespace convlstm::cuda {

// A kernel with the shape of its tile.
template <class Arguments>
struct GemmKernel {
  void (*kernel)(Arguments);
  Math math;
  int rows, columns, threads, shared_bytes;

  int row_blocks(const ConvGeometry& g) const { return RowBlocks(g, rows, math); }
};
using StepKernel = GemmKernel<StepArguments>;
using InputKernel = GemmKernel<InputArguments>;

template <class T, class Arguments>
GemmKernel<Arguments> KernelOf(void (*kernel)(Arguments)) {
  return {kernel, T::kMath, T::kRows, T::kBlockColumns, T::kThreads, T::kSharedBytes};
}

template <Math kMath>
StepKernel FindStepKernel(TileSize size);
// Of the large tile or of the medium one: what needs a smaller one is not worth a product of x.
template <Math kMath>
InputKernel FindInputKernel(TileSize size);

extern template StepKernel FindStepKernel<Math::kFma>(TileSize);
extern template StepKernel FindStepKernel<Math::kTf32x3>(TileSize);
extern template StepKernel FindStepKernel<Math::kBf16x3>(TileSize);
extern template StepKernel FindStepKernel<Math::kBf16>(TileSize);
extern template StepKernel FindStepKernel<Math::kBf16x3Wgmma>(TileSize);
extern template StepKernel FindStepKernel<Math::kBf16Wgmma>(TileSize);
extern template InputKernel FindInputKernel<Math::kFma>(TileSize);
extern template InputKernel FindInputKernel<Math::kTf32x3>(TileSize);
extern template InputKernel FindInputKernel<Math::kBf16x3>(TileSize);
extern template InputKernel FindInputKernel<Math::kBf16>(TileSize);
extern template InputKernel FindInputKernel<Math::kBf16x3Wgmma>(TileSize);
extern template InputKernel FindInputKernel<Math::kBf16Wgmma>(TileSize);

inline StepKernel FindStepKernel(Math math, TileSize size) {
  return WithMath(math, [size](auto kind) { return FindStepKernel<kind()>(size); });
}
inline InputKernel FindInputKernel(Math math, TileSize size) {
  return WithMath(math, [size](auto kind) { return FindInputKernel<kind()>(size); });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_H_
