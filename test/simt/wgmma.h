// Transaction barriers, bulk copies and wgmma for the host, part of simt/ptx.h.
#ifndef CONVLSTM_TEST_SIMT_WGMMA_H_
#define CONVLSTM_TEST_SIMT_WGMMA_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "cuda/instructions/wgmma_layout.h"
#include "simt/simt.h"

namespace convlstm::cuda {

// The 8 bytes of a barrier: the number of announced phases and the bytes that have not arrived.
struct BarrierWord {
  uint32_t phases;
  int32_t bytes;
};
inline BarrierWord& WordOf(uint64_t* barrier) { return *reinterpret_cast<BarrierWord*>(barrier); }

inline void InitBarrier(uint64_t* barrier) {
  const simt::TsanIgnoreScope unwatched;
  WordOf(barrier) = {0, 0};
  simt::CurrentBlock().new_barriers.push_back(barrier);
}
inline void FenceBarriers() {
  const simt::TsanIgnoreScope unwatched;
  simt::CurrentBlock().new_barriers.clear();
}
inline void CheckFenced(const uint64_t* barrier, const simt::Location& location) {
  const std::vector<const void*>& unfenced = simt::CurrentBlock().new_barriers;
  if (std::find(unfenced.begin(), unfenced.end(), barrier) != unfenced.end()) {
    simt::Fail("an unfenced barrier", location);
  }
}
inline void ExpectBytes(uint64_t* barrier, int bytes,
                        const simt::Location& location = simt::Location::current()) {
  const simt::TsanIgnoreScope unwatched;
  CheckFenced(barrier, location);
  BarrierWord& word = WordOf(barrier);
  if (word.bytes != 0) simt::Fail("bytes announced before the last phase was complete", location);
  ++word.phases;
  word.bytes = bytes;
}

// Writes of bulk copies are visible to wgmma without a fence.
inline void WriteBulk(unsigned char* to, const void* from, size_t bytes) {
  simt::Block& block = simt::CurrentBlock();
  std::memcpy(to, from, bytes);
  for (std::vector<unsigned char>* const view : {&block.seen, &block.fenced}) {
    if (!view->empty()) std::memcpy(view->data() + (to - block.shared), from, bytes);
  }
}

// The bytes land when the first thread waits for them, and are NaN until then.
inline void CopyBulk(void* to, const void* from, int bytes, uint64_t* barrier,
                     const simt::Location& location = simt::Location::current()) {
  const simt::TsanIgnoreScope unwatched;
  simt::Block& block = simt::CurrentBlock();
  const auto offset = static_cast<unsigned char*>(to) - block.shared;
  if (offset < 0 || offset + bytes > static_cast<ptrdiff_t>(block.shared_bytes)) {
    simt::Fail("a copy to an address outside shared memory", location);
  }
  if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from) |
       static_cast<uintptr_t>(bytes)) %
          16 !=
      0) {
    simt::Fail("a bulk copy of misaligned addresses", location);
  }
  CheckFenced(barrier, location);
  const std::vector<unsigned char> nan(bytes, 0xff);
  WriteBulk(static_cast<unsigned char*>(to), nan.data(), nan.size());
  block.bulk_copies.push_back(
      {barrier, static_cast<unsigned char*>(to), from, static_cast<size_t>(bytes)});
}

// Waiting for a phase that has not been announced is an error.
inline void WaitForBytes(uint64_t* barrier, uint32_t phase,
                         const simt::Location& location = simt::Location::current()) {
  const simt::TsanIgnoreScope unwatched;
  BarrierWord& word = WordOf(barrier);
  if (word.phases % 2 == phase) simt::Fail("a wait for bytes that were not announced", location);
  std::vector<simt::BulkCopy>& copies = simt::CurrentBlock().bulk_copies;
  std::erase_if(copies, [&](const simt::BulkCopy& copy) {
    if (copy.barrier != barrier) return false;
    WriteBulk(copy.to, copy.from, copy.bytes);
    word.bytes -= static_cast<int32_t>(copy.bytes);
    return true;
  });
  if (word.bytes != 0) simt::Fail("the bytes that arrived are not those announced", location);
}

// wgmma is issued here and executed when awaited, reading a and b through the descriptors.
inline void WgmmaFence() {
  const simt::TsanIgnoreScope unwatched;
  simt::CurrentLane().began_products = true;
}
inline void ProxyFence() {
  const simt::TsanIgnoreScope unwatched;
  simt::Block& block = simt::CurrentBlock();
  if (std::exchange(simt::CurrentLane().fenced, true)) return;
  if (++block.fenced_threads < size_t{block.size.x} * block.size.y * block.size.z) return;
  block.fenced.assign(block.shared, block.shared + block.shared_bytes);
}
inline void WgmmaCommit() {
  const simt::TsanIgnoreScope unwatched;
  ++simt::CurrentLane().product_group;
}
template <int kBlocks>
void ClobberSums(float (&)[kBlocks][8][4]) {}

inline uint64_t WgmmaOperandAt(uint64_t operand, int pieces) {
  return operand + static_cast<uint64_t>(static_cast<int64_t>(pieces));
}

inline uint64_t WgmmaOperand(const uint32_t* begin, int next_depth, int next_eight,
                             const simt::Location& location = simt::Location::current()) {
  const auto address = reinterpret_cast<const unsigned char*>(begin) - simt::CurrentBlock().shared;
  if (address % 16 != 0) simt::Fail("a misaligned operand of wgmma", location);
  if ((next_depth | next_eight) >> 14 != 0)
    simt::Fail("core matrices too far apart for wgmma", location);
  return (static_cast<uint32_t>(address) >> 4 & kWgmmaBegin) |
         static_cast<uint64_t>(next_depth) << kWgmmaNextDepth |
         static_cast<uint64_t>(next_eight) << kWgmmaNextEight;
}

// Elements 2 pair and 2 pair + 1 of depth of a row or column of an operand. NaN if they were not
// fenced or have been overwritten.
inline uint32_t WgmmaPair(uint64_t descriptor, int row, int pair, const simt::Location& location) {
  const auto field = [descriptor](int bit) { return (descriptor >> bit & 0x3fff) * 16; };
  const uint64_t at = field(0) + pair / 4 * field(16) + row / 8 * field(32) + row % 8 * 16;
  const simt::Block& block = simt::CurrentBlock();
  if (at + 16 > block.shared_bytes) simt::Fail("wgmma reads outside shared memory", location);
  if (block.seen.empty()) return 0xffffffff;
  uint32_t now, seen;
  std::memcpy(&now, block.shared + at + pair % 4 * 4, 4);
  std::memcpy(&seen, block.seen.data() + at + pair % 4 * 4, 4);
  return now == seen ? seen : 0xffffffff;
}

// Accumulators are NaN while products are in flight.
inline void PoisonSums(simt::Lane& self, float* sums, int count) {
  const auto begun = [sums](const auto& kept) { return kept.first == sums; };
  if (std::any_of(self.sums.begin(), self.sums.end(), begun)) return;
  self.sums.emplace_back(sums, std::vector<float>(sums, sums + count));
  std::fill_n(sums, count, NAN);
}

template <int kBlocks>
void WgmmaBf16(float (&d)[kBlocks][8][4], uint64_t a, uint64_t b,
               const simt::Location& location = simt::Location::current()) {
  const simt::TsanIgnoreScope unwatched;
  simt::Lane& self = simt::CurrentLane();
  if (!self.began_products) simt::Fail("wgmma without a preceding fence", location);
  PoisonSums(self, &d[0][0][0], kBlocks * 32);
  const auto multiply = [&d, a, b, location] {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane / 4, t = lane % 4;
    const int row = static_cast<int>(threadIdx.x) / 32 % 4 * 16 + g;
    const auto pair = [&](uint64_t operand, int k, int of_depth) {
      return WgmmaPair(operand, k, of_depth, location);
    };
    const uint32_t rows[4] = {pair(a, row, t), pair(a, row + 8, t), pair(a, row, t + 4),
                              pair(a, row + 8, t + 4)};
    for (int j = 0; j < kBlocks * 8; ++j) {
      const uint32_t columns[2] = {pair(b, j * 8 + g, t), pair(b, j * 8 + g, t + 4)};
      MmaBf16(d[j / 8][j % 8], rows, columns, location);
    }
  };
  self.products.push_back({self.product_group, &d[0][0][0], kBlocks * 32, multiply});
}
template <int kGroups>
void WgmmaWait() {
  std::vector<simt::Product> ended;
  {
    const simt::TsanIgnoreScope unwatched;
    simt::Lane& self = simt::CurrentLane();
    if (kGroups == 0) self.began_products = false;
    for (const auto& [sums, values] : self.sums) std::copy(values.begin(), values.end(), sums);
    self.sums.clear();
    std::vector<simt::Product> left;
    for (const simt::Product& product : self.products) {
      (product.group < self.product_group - kGroups ? ended : left).push_back(product);
    }
    self.products.swap(left);
  }
  for (const simt::Product& product : ended) product.multiply();
  const simt::TsanIgnoreScope unwatched;
  simt::Lane& self = simt::CurrentLane();
  for (const simt::Product& product : self.products) {
    PoisonSums(self, product.sums, product.count);
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_TEST_SIMT_WGMMA_H_
