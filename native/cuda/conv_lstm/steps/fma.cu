#include "cuda/conv_lstm/steps/kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kFma>(TileSize);
template InputKernel FindInputKernel<Math::kFma>(TileSize);

}  // namespace convlstm::cuda
