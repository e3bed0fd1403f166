#ifndef CONVLSTM_CUDA_INSTRUCTIONS_WGMMA_LAYOUT_H_
#define CONVLSTM_CUDA_INSTRUCTIONS_WGMMA_LAYOUT_H_

#include <cstdint>

namespace convlstm::cuda {

// The descriptor of a wgmma operand in shared memory, 16 of depth by a multiple of 8 rows of a (or
// columns of b). The operand consists of core matrices of 8 rows x 8 of depth, 128 contiguous
// bytes, 16 per row. Fields count 16 bytes: bits 0 to 13 the start address; 16 to 29 ("leading
// dimension") the distance between core matrices along the depth; 32 to 45 ("stride dimension")
// along the rows or columns. Bits 62 and 63 are 0: no swizzle, and the start may be any multiple of
// 16 bytes.
inline constexpr uint32_t kWgmmaBegin = 0x3fff;  // mask of the start address
inline constexpr int kWgmmaNextDepth = 16, kWgmmaNextEight = 32;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_INSTRUCTIONS_WGMMA_LAYOUT_H_
