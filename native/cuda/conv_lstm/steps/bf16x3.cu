#include "cuda/conv_lstm/steps/kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kBf16x3>(TileSize);
template InputKernel FindInputKernel<Math::kBf16x3>(TileSize);

}  // namespace convlstm::cuda
