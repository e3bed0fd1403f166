#ifndef CONVLSTM_CPU_TENSOR_OPTIMIZERS_H_
#define CONVLSTM_CPU_TENSOR_OPTIMIZERS_H_

#include "core/storage.h"
#include "cpu/threads/thread_pool.h"
#include "ops/optimizers.h"

namespace convlstm::cpu {

// One pass over memory. The storages of `after` have their lengths and are not allocated yet.
void OptimizerStep(const OptimizerOptions& options, Storage& grad, const OptimizerState& before,
                   const OptimizerState& after, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_OPTIMIZERS_H_
