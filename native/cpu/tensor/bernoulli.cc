#include "cpu/tensor/bernoulli.h"

#include <algorithm>

#include "cpu/threads/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/tensor/bernoulli.cc"
#include "cpu/simd/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<uint32_t>;
using Vec = hn::Vec<Tag>;

struct Product {
  Vec high;
  Vec low;
};

HWY_INLINE Product Multiply(uint32_t factor, Vec v) {
  const Tag d;
  const hn::RepartitionToWide<Tag> d64;
  const auto wide_factor = hn::Set(d, factor);
  const auto even = hn::MulEven(v, wide_factor);
  const auto odd =
      hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, v))), wide_factor);
  const auto low_half = hn::Set(d64, uint64_t{0xffffffff});
  return {hn::BitCast(d, hn::Or(hn::ShiftRight<32>(even), hn::AndNot(low_half, odd))),
          hn::BitCast(d, hn::Or(hn::And(even, low_half), hn::ShiftLeft<32>(odd)))};
}

// Philox4x32-10 (Salmon et al. 2011), one block per lane, from block `counter` on.
// out: [4 * lanes] mask elements.
HWY_INLINE void Blocks(const BernoulliMask& bernoulli, uint64_t counter, uint32_t threshold,
                       float* out) {
  const Tag d;
  const hn::Repartition<float, Tag> df;
  constexpr size_t kLanes = hn::MaxLanes(d);
  HWY_ALIGN uint32_t low[kLanes];
  HWY_ALIGN uint32_t high[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane) {
    low[lane] = static_cast<uint32_t>(counter + lane);
    high[lane] = static_cast<uint32_t>((counter + lane) >> 32);
  }
  Vec x0 = hn::Load(d, low), x1 = hn::Load(d, high), x2 = hn::Zero(d), x3 = hn::Zero(d);
  uint32_t key0 = bernoulli.key0, key1 = bernoulli.key1;
  for (int round = 0; round < 10; ++round) {
    const Product product0 = Multiply(0xd2511f53, x0), product1 = Multiply(0xcd9e8d57, x2);
    x0 = hn::Xor(hn::Xor(product1.high, x1), hn::Set(d, key0));
    x1 = product1.low;
    x2 = hn::Xor(hn::Xor(product0.high, x3), hn::Set(d, key1));
    x3 = product0.low;
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
  // Signed comparison: both sides are below 2^25.
  const hn::RebindToSigned<Tag> di;
  const auto limit = hn::Set(di, static_cast<int32_t>(threshold));
  const auto value = hn::Set(df, bernoulli.value);
  const auto element = [&](Vec word) {
    const auto below = hn::Lt(hn::BitCast(di, hn::ShiftRight<8>(word)), limit);
    return hn::IfThenElseZero(hn::RebindMask(df, below), value);
  };
  hn::StoreInterleaved4(element(x0), element(x1), element(x2), element(x3), df, out);
}

// Mask elements [begin, begin + count); `begin` is a multiple of 4.
void BernoulliRange(const BernoulliMask& bernoulli, int64_t begin, int64_t count, float* out) {
  constexpr int64_t kElements = 4 * hn::MaxLanes(Tag());
  const uint32_t threshold = bernoulli.threshold();
  uint64_t counter = bernoulli.counter + static_cast<uint64_t>(begin) / 4;
  int64_t k = 0;
  for (; k + kElements <= count; k += kElements, counter += kElements / 4) {
    Blocks(bernoulli, counter, threshold, out + k);
  }
  if (k == count) return;
  float last[kElements];
  Blocks(bernoulli, counter, threshold, last);
  std::copy_n(last, count - k, out + k);
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

void Run(ThreadPool& pool, const Bernoulli& op) {
  const auto bernoulli_range = CONVLSTM_SIMD(CurrentIsa(), BernoulliRange);
  float* to = op.out->Allocate();
  ForLines(pool, op.length, [&](int64_t begin, int64_t count) {
    bernoulli_range(op.mask, begin, count, to + begin);
  });
}

}  // namespace convlstm::cpu
#endif
