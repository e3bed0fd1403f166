// Between row-major order and channels-last frames.
#ifndef CONVLSTM_CPU_FRAMES_LAYOUT_H_
#define CONVLSTM_CPU_FRAMES_LAYOUT_H_

#include <cstdint>

#include "core/storage.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// out[column * out_stride + row] = in[row * in_stride + column] for at most kTransposeTile rows and
// columns, on the calling thread.
inline constexpr int64_t kTransposeTile = 64;
void TransposeTile(int64_t rows, int64_t columns, const float* in, int64_t in_stride, float* out,
                   int64_t out_stride);

// out[frame][column][row] = in[frame][row][column], near memory bandwidth. `in` and `out` do not
// overlap and need no alignment.
//   row-major to channels-last: rows = channels, columns = pixels
//   channels-last to row-major: rows = pixels, columns = channels
void TransposeFrames(int64_t frames, int64_t rows, int64_t columns, const float* in, float* out,
                     ThreadPool& pool);

// The elements in row-major order; converts the storage in place when it is channels-last.
const float* RowMajor(Storage& storage, ThreadPool& pool);

// Copies the elements in row-major order to `out` without changing the storage.
void CopyRowMajor(const Storage& storage, float* out, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_FRAMES_LAYOUT_H_
