// Conversions between row-major order and channels-last frames.
#ifndef CONVLSTM_CPU_FRAMES_LAYOUT_H_
#define CONVLSTM_CPU_FRAMES_LAYOUT_H_

#include <cstdint>

#include "core/storage.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// out[column * out_stride + row] = in[row * in_stride + column] for at most kTransposeTile rows and
// columns, on the calling thread. `in` and `out` do not overlap.
inline constexpr int64_t kTransposeTile = 64;
void TransposeTile(int64_t rows, int64_t columns, const float* in, int64_t in_stride, float* out,
                   int64_t out_stride);

// out[frame][column][row] = in[frame][row][column], near memory bandwidth. `in` and `out` do not
// overlap and need no alignment.
//   row-major to channels-last: rows = channels, columns = pixels
//   channels-last to row-major: rows = pixels, columns = channels
void TransposeFrames(int64_t frames, int64_t rows, int64_t columns, const float* in, float* out,
                     ThreadPool& pool);

// The elements in row-major order, owned by the storage, which is converted if it is
// channels-last. Throws the error that the storage was left with.
const float* RowMajor(Storage& storage, ThreadPool& pool);

// Copies the elements to `out` in row-major order; the storage keeps its layout.
void CopyRowMajor(const Storage& storage, float* out, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_FRAMES_LAYOUT_H_
