// The compiled convolution kernels.
#ifndef CONVLSTM_CUDA_CONVOLUTION_CONV2D_KERNELS_H_
#define CONVLSTM_CUDA_CONVOLUTION_CONV2D_KERNELS_H_

#include "cuda/convolution/conv2d.cuh"
#include "cuda/device/device.h"
#include "cuda/device/graph.h"

namespace convlstm::cuda {

// A call of the kernel with the best tile for `p`. geometry.rows() must not be 0.
KernelCall Convolve2dCall(Device& device, Math math, const Conv2dArguments& p);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_CONV2D_KERNELS_H_
