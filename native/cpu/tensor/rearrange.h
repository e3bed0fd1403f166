// Permute, slice and concatenate on the CPU. Channels-last frames that move as a whole stay
// channels-last; all else becomes row-major.
#ifndef CONVLSTM_CPU_TENSOR_REARRANGE_H_
#define CONVLSTM_CPU_TENSOR_REARRANGE_H_

#include "cpu/threads/thread_pool.h"
#include "ops/rearrange.h"

namespace convlstm::cpu {

void Run(ThreadPool& pool, const Permute& op);
void Run(ThreadPool& pool, const Slice& op);
void Run(ThreadPool& pool, const SliceBackward& op);
void Run(ThreadPool& pool, const Concat& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_REARRANGE_H_
