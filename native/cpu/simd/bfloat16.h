// bfloat16: float32 rounded to sign, exponent and 7 bits of mantissa, to nearest, ties to even.
#ifndef CONVLSTM_CPU_SIMD_BFLOAT16_H_
#define CONVLSTM_CPU_SIMD_BFLOAT16_H_

#include <cstdint>

#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

void ToBfloat16(const float* from, uint16_t* to, int64_t count, ThreadPool& pool);
void FromBfloat16(const uint16_t* from, float* to, int64_t count, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_SIMD_BFLOAT16_H_
