#include "cuda/step_kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<Math::kFma>(TileSize);
template InputKernel FindInputKernel<Math::kFma>(TileSize);

}  // namespace convlstm::cuda
