#include "cuda/conv_lstm/steps/kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kBf16x3Wgmma>(TileSize);
template InputKernel FindInputKernel<Math::kBf16x3Wgmma>(TileSize);

}  // namespace convlstm::cuda
