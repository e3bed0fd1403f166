#ifndef CONVLSTM_CPU_CONVOLUTION_CONV2D_BACKWARD_H_
#define CONVLSTM_CPU_CONVOLUTION_CONV2D_BACKWARD_H_

#include "cpu/threads/thread_pool.h"
#include "ops/conv2d.h"

namespace convlstm::cpu {

// Fills the gradients that are there, which have the right number of elements and are not allocated
// yet. `grad` is that of the result. x and grad are taken channels-last as they are, else a copy is
// converted; the gradient of x is left channels-last.
void Conv2dBackward(const Conv2dShape& shape, const Conv2dInputs& inputs, const StoragePtr& grad,
                    const Conv2dGradients& gradients, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_CONV2D_BACKWARD_H_
