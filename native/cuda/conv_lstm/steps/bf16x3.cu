#include "cuda/conv_lstm/steps/kernels.cuh"

namespace convlstm::cuda {

template StepKernel FindStepKernel<LstmCell, Math::kBf16x3>(TileSize);
template ProjectionKernel FindProjectionKernel<LstmCell, Math::kBf16x3>(TileSize);

}  // namespace convlstm::cuda
