#ifndef CONVLSTM_CUDA_WGMMA_DESCRIPTOR_H_
#define CONVLSTM_CUDA_WGMMA_DESCRIPTOR_H_

#include <cstdint>

namespace convlstm::cuda {

// Where wgmma finds its b, 16 of depth x 64 columns: pieces of 8 columns x 8 of depth, each column
// 16 bytes, in the order [8 eights of columns][2 eights of depth][8 columns][8 of depth], 2 KiB.
// The fields count 16 bytes: bits 0 to 13 where it begins, 16 to 29 ("leading dimension") from a
// piece to the next of depth, 32 to 45 ("stride dimension") to the next of columns; bits 62 and 63
// are 0: no swizzle.
constexpr uint64_t WgmmaDescriptor(uint32_t shared_address) {
  constexpr uint64_t kNextDepth = 128 / 16, kNextColumns = 256 / 16;
  return (shared_address >> 4 & 0x3fff) | kNextDepth << 16 | kNextColumns << 32;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_WGMMA_DESCRIPTOR_H_
