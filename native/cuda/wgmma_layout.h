#ifndef CONVLSTM_CUDA_WGMMA_LAYOUT_H_
#define CONVLSTM_CUDA_WGMMA_LAYOUT_H_

#include <cstdint>

namespace convlstm::cuda {

// How wgmma finds its b, 16 of depth x 64 columns: pieces of 8 columns x 8 of depth, each column 16
// bytes, in the order [8 eights of columns][2 eights of depth][8 columns][8 of depth], 2 KiB. The
// fields of the descriptor count 16 bytes: bits 0 to 13 where it begins, which is added, 16 to 29
// ("leading dimension") from a piece to the next of depth, 32 to 45 ("stride dimension") to the
// next of columns; bits 62 and 63 are 0: no swizzle.
inline constexpr uint64_t kWgmmaLayout = uint64_t{128 / 16} << 16 | uint64_t{256 / 16} << 32;
inline constexpr uint32_t kWgmmaBegin = 0x3fff;  // the bits of the first field

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_WGMMA_LAYOUT_H_
