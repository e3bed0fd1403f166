#ifndef CONVLSTM_CUDA_TENSOR_BERNOULLI_CUH_
#define CONVLSTM_CUDA_TENSOR_BERNOULLI_CUH_

#include "cuda/tensor/strides.h"
#include "ops/bernoulli.h"

namespace convlstm::cuda {

// Philox4x32-10 (Salmon et al. 2011): the four words of one block.
struct PhiloxBlock {
  uint32_t words[4];

  __device__ PhiloxBlock(uint64_t counter, uint32_t key0, uint32_t key1)
      : words{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0} {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
      const uint64_t product0 = uint64_t{0xd2511f53} * words[0];
      const uint64_t product1 = uint64_t{0xcd9e8d57} * words[2];
      words[0] = static_cast<uint32_t>(product1 >> 32) ^ words[1] ^ key0;
      words[1] = static_cast<uint32_t>(product1);
      words[2] = static_cast<uint32_t>(product0 >> 32) ^ words[3] ^ key1;
      words[3] = static_cast<uint32_t>(product0);
      key0 += 0x9e3779b9;
      key1 += 0xbb67ae85;
    }
  }
};

// One thread per block of four elements.
__global__ void BernoulliElements(BernoulliMask bernoulli, uint32_t threshold, float* out,
                                  int64_t count) {
  ForStrided((count + 3) / 4, [&](int64_t block) {
    const PhiloxBlock random(bernoulli.counter + static_cast<uint64_t>(block), bernoulli.key0,
                             bernoulli.key1);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if (4 * block + k >= count) continue;
      out[4 * block + k] = random.words[k] >> 8 < threshold ? bernoulli.value : 0.0f;
    }
  });
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_TENSOR_BERNOULLI_CUH_
