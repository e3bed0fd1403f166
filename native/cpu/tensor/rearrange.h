// The CPU backend's moves of elements. `out` has the right number of elements and is not allocated
// yet. Whole channels-last frames are moved as they lie.
#ifndef CONVLSTM_CPU_TENSOR_REARRANGE_H_
#define CONVLSTM_CPU_TENSOR_REARRANGE_H_

#include <vector>

#include "cpu/threads/thread_pool.h"
#include "ops/rearrange.h"

namespace convlstm::cpu {

void Permute(const Permutation& permutation, Storage& x, Storage& out, ThreadPool& pool);

void TakeSlice(const Slice& slice, Storage& x, Storage& out, ThreadPool& pool);

// The gradient of TakeSlice's operand; `grad` is that of its result.
void SliceBackward(const Slice& slice, Storage& grad, Storage& out, ThreadPool& pool);

void Concatenate(const Concatenation& concatenation, const std::vector<StoragePtr>& parts,
                 Storage& out, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_REARRANGE_H_
