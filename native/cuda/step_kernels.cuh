// What a source file of step_kernels.h is made of.
#ifndef CONVLSTM_CUDA_STEP_KERNELS_CUH_
#define CONVLSTM_CUDA_STEP_KERNELS_CUH_

#include "cuda/step_kernels.h"

namespace convlstm::cuda {

template <class T>
StepKernel StepKernelOf() {
  return {ConvLstmStep<T>, T::kRows, T::kBlockColumns, T::kThreads, T::kSharedBytes};
}

template <Math kMath>
StepKernel FindStepKernel(TileSize size) {
  switch (size) {
    case TileSize::kSmall:
      if constexpr (kMath != Math::kBf16Wgmma) return StepKernelOf<SmallTile<kMath>>();
      [[fallthrough]];  // a warpgroup has 64 rows
    case TileSize::kMedium:
      return StepKernelOf<MediumTile<kMath>>();
    case TileSize::kLarge:
      return StepKernelOf<LargeTile<kMath>>();
  }
  return StepKernelOf<MediumTile<kMath>>();
}

template <class T>
InputKernel InputKernelOf() {
  return {ConvLstmInput<T>, T::kRows, T::kBlockColumns, T::kThreads, T::kSharedBytes};
}

template <Math kMath>
InputKernel FindInputKernel(TileSize size) {
  return size == TileSize::kLarge ? InputKernelOf<LargeTile<kMath>>()
                                  : InputKernelOf<MediumTile<kMath>>();
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_STEP_KERNELS_CUH_
