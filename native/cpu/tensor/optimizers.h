#ifndef CONVLSTM_CPU_TENSOR_OPTIMIZERS_H_
#define CONVLSTM_CPU_TENSOR_OPTIMIZERS_H_

#include "cpu/threads/thread_pool.h"
#include "ops/optimizers.h"

namespace convlstm::cpu {

// Each reads and writes parameter and slots in one pass over memory.
void Run(ThreadPool& pool, const SgdStep& op);
void Run(ThreadPool& pool, const RmspropStep& op);
void Run(ThreadPool& pool, const AdamStep& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_OPTIMIZERS_H_
