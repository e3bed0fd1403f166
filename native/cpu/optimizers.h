// The CPU backend's optimizer steps, one pass over memory each. The storages of `after` have their
// lengths and are not allocated yet.
#ifndef CONVLSTM_CPU_OPTIMIZERS_H_
#define CONVLSTM_CPU_OPTIMIZERS_H_

#include "core/storage.h"
#include "cpu/thread_pool.h"
#include "ops/optimizers.h"

namespace convlstm::cpu {

void SgdStep(const SgdOptions& options, Storage& grad, const SgdState& before,
             const SgdState& after, ThreadPool& pool);

void RmspropStep(const RmspropOptions& options, Storage& grad, const RmspropState& before,
                 const RmspropState& after, ThreadPool& pool);

void AdamStep(const AdamOptions& options, Storage& grad, const AdamState& before,
              const AdamState& after, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_OPTIMIZERS_H_
