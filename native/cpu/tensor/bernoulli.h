#ifndef CONVLSTM_CPU_TENSOR_BERNOULLI_H_
#define CONVLSTM_CPU_TENSOR_BERNOULLI_H_

#include "cpu/threads/thread_pool.h"
#include "ops/bernoulli.h"

namespace convlstm::cpu {

// Philox masks: the same bits for every number of threads and instruction set.
void Run(ThreadPool& pool, const Bernoulli& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_BERNOULLI_H_
