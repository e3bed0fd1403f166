#ifndef CONVLSTM_CPU_TENSOR_BERNOULLI_H_
#define CONVLSTM_CPU_TENSOR_BERNOULLI_H_

#include "core/storage.h"
#include "cpu/threads/thread_pool.h"
#include "ops/bernoulli.h"

namespace convlstm::cpu {

// Fills `out`, which has its length and is not allocated yet.
void FillBernoulli(const Bernoulli& bernoulli, Storage& out, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_BERNOULLI_H_
