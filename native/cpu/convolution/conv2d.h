#ifndef CONVLSTM_CPU_CONVOLUTION_CONV2D_H_
#define CONVLSTM_CPU_CONVOLUTION_CONV2D_H_

#include "cpu/threads/thread_pool.h"
#include "ops/conv2d.h"

namespace convlstm::cpu {

// Leaves the result channels-last. Takes x channels-last as it is, else converts a copy. Packed
// weights are kept in weight->derived().
void Run(ThreadPool& pool, const Conv2d& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_CONV2D_H_
