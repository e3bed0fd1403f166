#ifndef CONVLSTM_CPU_TENSOR_REDUCE_H_
#define CONVLSTM_CPU_TENSOR_REDUCE_H_

#include "cpu/threads/thread_pool.h"
#include "ops/reduce.h"

namespace convlstm::cpu {

// Sums in float64, in an order that does not depend on the number of threads. The result is
// row-major.
void Run(ThreadPool& pool, const Reduce& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_REDUCE_H_
