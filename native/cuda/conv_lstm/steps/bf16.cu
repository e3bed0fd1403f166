#include "cuda/conv_lstm/steps/kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kBf16>(TileSize);
template InputKernel FindInputKernel<Math::kBf16>(TileSize);

}  // namespace convlstm::cuda
