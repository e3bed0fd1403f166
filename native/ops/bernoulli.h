// Random masks.
#ifndef CONVLSTM_OPS_BERNOULLI_H_
#define CONVLSTM_OPS_BERNOULLI_H_

#include <cmath>
#include <cstdint>

#include "ops/visit.h"

namespace convlstm {

// Element n is `value` if the upper 24 bits of word n % 4 of Philox block `counter` + n / 4 are
// below probability * 2^24, else 0. Every backend gives the same bits.
struct BernoulliMask {
  double probability = 0;
  float value = 0;
  uint32_t key0 = 0;
  uint32_t key1 = 0;
  uint64_t counter = 0;

  // Upper bound of a word's upper 24 bits.
  uint32_t threshold() const { return static_cast<uint32_t>(std::ceil(probability * 0x1p24)); }
};

struct Bernoulli {
  static constexpr auto kName = "bernoulli";
  static constexpr auto kCalling = Calling::kByPosition;

  int64_t length = 0;
  BernoulliMask mask{};
  StoragePtr out{};  // [length]

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("length", length);
    visit("probability", mask.probability);
    visit("value", mask.value);
    visit("key0", mask.key0);
    visit("key1", mask.key1);
    visit("counter", mask.counter);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, Shape{length});
  }

  // Throws Error(kOption) unless the probability is in [0, 1].
  void Check() const;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_BERNOULLI_H_
