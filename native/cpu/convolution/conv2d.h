#ifndef CONVLSTM_CPU_CONVOLUTION_CONV2D_H_
#define CONVLSTM_CPU_CONVOLUTION_CONV2D_H_

#include "cpu/threads/thread_pool.h"
#include "ops/conv2d.h"

namespace convlstm::cpu {

// Fills `out`, which has the right number of elements and is not allocated yet, and leaves it
// channels-last. Takes x channels-last as it is, else converts a copy. Packed weights are kept in
// weight->derived().
void Conv2d(const Conv2dShape& shape, const Conv2dInputs& inputs, Storage& out, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_CONV2D_H_
