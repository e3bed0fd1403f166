#include "cuda/conv_lstm/steps/kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kBf16Wgmma>(TileSize);
template InputKernel FindInputKernel<Math::kBf16Wgmma>(TileSize);

}  // namespace convlstm::cuda
