#ifndef CONVLSTM_CUDA_INSTRUCTIONS_WGMMA_LAYOUT_H_
#define CONVLSTM_CUDA_INSTRUCTIONS_WGMMA_LAYOUT_H_

#include <cstdint>

namespace convlstm::cuda {

// How wgmma finds an operand in shared memory, 16 of depth and a multiple of 8 rows of a, or
// columns of b: pieces of 8 of them x 8 of depth, 128 bytes in a row, 16 for each. The fields of
// the descriptor count 16 bytes: bits 0 to 13 where it begins, which is added, 16 to 29 ("leading
// dimension") from a piece to the next of depth, 32 to 45 ("stride dimension") to the next of rows
// or columns; bits 62 and 63 are 0: no swizzle, and any 16 bytes may be the beginning.
inline constexpr uint32_t kWgmmaBegin = 0x3fff;  // the bits of the first field
inline constexpr int kWgmmaNextDepth = 16, kWgmmaNextEight = 32;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_INSTRUCTIONS_WGMMA_LAYOUT_H_
