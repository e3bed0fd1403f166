// Definitions of the templates in kernels.h, for the source files that instantiate them.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_CUH_

#include "cuda/conv_lstm/steps/kernels.h"

namespace convlstm::cuda {

template <class Cell, Math kMath>
StepKernel FindStepKernel(TileSize size) {
  if constexpr (!IsWgmma(kMath)) {  // wgmma needs 64 rows
    using Small = SmallTile<kMath>;
    if (size == TileSize::kSmall) return KernelOf<Small>(ConvLstmStep<Cell, Small>);
  }
  using Medium = MediumTile<kMath>;
  using Large = LargeTile<kMath>;
  return size == TileSize::kLarge ? KernelOf<Large>(ConvLstmStep<Cell, Large>)
                                  : KernelOf<Medium>(ConvLstmStep<Cell, Medium>);
}

template <class Cell, Math kMath>
ProjectionKernel FindProjectionKernel(TileSize size) {
  using Medium = MediumTile<kMath>;
  using Large = LargeTile<kMath>;
  return size == TileSize::kLarge ? KernelOf<Large>(InputProjection<Cell, Large>)
                                  : KernelOf<Medium>(InputProjection<Cell, Medium>);
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_CUH_
