// Random masks.
#ifndef CONVLSTM_OPS_BERNOULLI_H_
#define CONVLSTM_OPS_BERNOULLI_H_

#include <cmath>
#include <cstdint>

namespace convlstm {

// Element n is `value` where word n % 4 of the Philox block with the counter `counter` + n / 4,
// shifted right by 8, is below probability * 2^24, else 0: the same bits on every backend.
struct Bernoulli {
  double probability;
  float value;
  uint32_t key0;
  uint32_t key1;
  uint64_t counter;

  // What a word shifted right by 8 has to be below.
  uint32_t threshold() const { return static_cast<uint32_t>(std::ceil(probability * 0x1p24)); }
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_BERNOULLI_H_
