#ifndef CONVLSTM_CPU_TENSOR_BERNOULLI_H_
#define CONVLSTM_CPU_TENSOR_BERNOULLI_H_

#include "cpu/threads/thread_pool.h"
#include "ops/bernoulli.h"

namespace convlstm::cpu {

void Run(ThreadPool& pool, const Bernoulli& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_BERNOULLI_H_
