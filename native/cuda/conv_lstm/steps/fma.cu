#include "cuda/conv_lstm/steps/kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<LstmCell, Math::kFma>(TileSize);
template ProjectionKernel FindProjectionKernel<LstmCell, Math::kFma>(TileSize);

}  // namespace convlstm::cuda
