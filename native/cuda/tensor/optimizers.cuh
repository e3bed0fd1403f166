// Optimizer steps in one pass over memory, with the formulas and factors of the CPU engine.
#ifndef CONVLSTM_CUDA_TENSOR_OPTIMIZERS_CUH_
#define CONVLSTM_CUDA_TENSOR_OPTIMIZERS_CUH_

#include <cmath>

#include "cuda/tensor/strides.h"
#include "ops/optimizers.h"

namespace convlstm::cuda {

__device__ __forceinline__ float ReadOrZero(const float* array, int64_t k) {
  return array == nullptr ? 0.0f : array[k];
}

__global__ void SgdElements(SgdFactors factors, OptimizerArrays arrays, int64_t count) {
  ForStrided(count, [&](int64_t k) {
    const float p = arrays.parameter[k], g = fmaf(factors.decay, p, arrays.grad[k]);
    float step = g;
    if (arrays.next_slots[0] != nullptr) {
      float buffer = g;
      if (arrays.slots[0] != nullptr) {
        buffer = fmaf(factors.momentum, arrays.slots[0][k], factors.fresh * g);
      }
      arrays.next_slots[0][k] = buffer;
      step = factors.nesterov ? fmaf(factors.momentum, buffer, g) : buffer;
    }
    arrays.next_parameter[k] = fmaf(-factors.lr, step, p);
  });
}

__global__ void RmspropElements(RmspropFactors factors, OptimizerArrays arrays, int64_t count) {
  ForStrided(count, [&](int64_t k) {
    const float p = arrays.parameter[k], g = fmaf(factors.decay, p, arrays.grad[k]);
    const float square =
        fmaf(factors.alpha, ReadOrZero(arrays.slots[0], k), factors.fresh * (g * g));
    arrays.next_slots[0][k] = square;
    float step = g / (sqrtf(square) + factors.eps);
    if (arrays.next_slots[1] != nullptr) {
      step = fmaf(factors.momentum, ReadOrZero(arrays.slots[1], k), step);
      arrays.next_slots[1][k] = step;
    }
    arrays.next_parameter[k] = fmaf(-factors.lr, step, p);
  });
}

__global__ void AdamElements(AdamFactors factors, OptimizerArrays arrays, int64_t count) {
  ForStrided(count, [&](int64_t k) {
    const float p = arrays.parameter[k], g = fmaf(factors.decay, p, arrays.grad[k]);
    const float average = fmaf(factors.beta1, ReadOrZero(arrays.slots[0], k), factors.fresh1 * g);
    const float square =
        fmaf(factors.beta2, ReadOrZero(arrays.slots[1], k), factors.fresh2 * (g * g));
    arrays.next_slots[0][k] = average;
    arrays.next_slots[1][k] = square;
    const float step = factors.lr * average / fmaf(sqrtf(square), factors.correction, factors.eps);
    arrays.next_parameter[k] = fmaf(factors.keep, p, -step);
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_OPTIMIZERS_CUH_
