// What a source file of step_kernels.h is made of.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_CUH_

#include "cuda/conv_lstm/steps/kernels.h"

namespace convlstm::cuda {

template <class Cell, Math kMath>
StepKernel FindStepKernel(TileSize size) {
  if constexpr (!IsWgmma(kMath)) {  // a warpgroup has 64 rows
    using Small = SmallTile<kMath>;
    if (size == TileSize::kSmall) return KernelOf<Small>(ConvLstmStep<Cell, Small>);
  }
  using Medium = MediumTile<kMath>;
  using Large = LargeTile<kMath>;
  return size == TileSize::kLarge ? KernelOf<Large>(ConvLstmStep<Cell, Large>)
                                  : KernelOf<Medium>(ConvLstmStep<Cell, Medium>);
}

template <class Cell, Math kMath>
InputKernel FindInputKernel(TileSize size) {
  using Medium = MediumTile<kMath>;
  using Large = LargeTile<kMath>;
  return size == TileSize::kLarge ? KernelOf<Large>(ConvLstmInput<Cell, Large>)
                                  : KernelOf<Medium>(ConvLstmInput<Cell, Medium>);
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEPS_KERNELS_CUH_
