// The compiled kernels of plain convolutions.
#ifndef CONVLSTM_CUDA_CONV2D_KERNELS_H_
#define CONVLSTM_CUDA_CONV2D_KERNELS_H_

#include "cuda/conv2d.cuh"
#include "cuda/device.h"
#include "cuda/graph.h"
#include "cuda/step_kernels.h"

namespace convlstm::cuda {

// Of the kernel whose tile serves `p` best, which has rows.
KernelCall Convolve2dCall(Device& device, Math math, const Conv2dArguments& p);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV2D_KERNELS_H_
