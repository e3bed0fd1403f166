// The compiled kernels of plain convolutions.
#ifndef CONVLSTM_CUDA_CONVOLUTION_CONV2D_KERNELS_H_
#define CONVLSTM_CUDA_CONVOLUTION_CONV2D_KERNELS_H_

#include "cuda/convolution/conv2d.cuh"
#include "cuda/device/device.h"
#include "cuda/device/graph.h"

namespace convlstm::cuda {

// Of the kernel whose tile serves `p` best, which has rows.
KernelCall Convolve2dCall(Device& device, Math math, const Conv2dArguments& p);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_CONV2D_KERNELS_H_
