#include "cuda/step_kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kTf32x3>(TileSize);
template InputKernel FindInputKernel<Math::kTf32x3>(TileSize);

}  // namespace convlstm::cuda
