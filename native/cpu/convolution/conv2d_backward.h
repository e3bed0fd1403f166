#ifndef CONVLSTM_CPU_CONVOLUTION_CONV2D_BACKWARD_H_
#define CONVLSTM_CPU_CONVOLUTION_CONV2D_BACKWARD_H_

#include "cpu/threads/thread_pool.h"
#include "ops/conv2d.h"

namespace convlstm::cpu {

// x and grad are taken channels-last as they are, else a copy is
// converted; the gradient of x is left channels-last.
void Run(ThreadPool& pool, const Conv2dBackward& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_CONV2D_BACKWARD_H_
