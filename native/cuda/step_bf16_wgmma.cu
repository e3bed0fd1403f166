#include "cuda/step_kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kBf16Wgmma>(TileSize);
template InputKernel FindInputKernel<Math::kBf16Wgmma>(TileSize);

}  // namespace convlstm::cuda
