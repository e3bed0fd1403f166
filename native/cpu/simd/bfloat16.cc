#include "cpu/simd/bfloat16.h"

#include <bit>

#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {

void ToBfloat16(const float* from, uint16_t* to, int64_t count, ThreadPool& pool) {
  ParallelFor(pool, count, 1, [=](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) {
      const uint32_t bits = std::bit_cast<uint32_t>(from[k]);
      const uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
      // Rounding could turn a NaN into a number.
      const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
      to[k] = static_cast<uint16_t>((is_nan ? bits | 0x400000 : rounded) >> 16);
    }
  });
}

void FromBfloat16(const uint16_t* from, float* to, int64_t count, ThreadPool& pool) {
  ParallelFor(pool, count, 1, [=](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) {
      to[k] = std::bit_cast<float>(uint32_t{from[k]} << 16);
    }
  });
}

}  // namespace convlstm::cpu
