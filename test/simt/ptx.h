// Host counterpart of native/cuda/instructions/ptx.cuh. The build defines CONVLSTM_CUDA_ARCH.
#ifndef CONVLSTM_TEST_SIMT_PTX_H_
#define CONVLSTM_TEST_SIMT_PTX_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "cuda/instructions/wgmma_layout.h"
#include "simt/simt.h"

#define CONVLSTM_CUDA_WGMMA (CONVLSTM_CUDA_ARCH >= 900)
#define CONVLSTM_SHARED_MEMORY(name) unsigned char* name = ::convlstm::simt::CurrentBlock().shared

namespace convlstm::cuda {

template <typename T>
T* AssumeGlobal(T* address) {
  return address;
}

inline uint32_t Bits(float value) { return std::bit_cast<uint32_t>(value); }
inline float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

// Approximate instructions, with the largest error that they may have.
inline float WithoutDenormal(double v) {
  return std::fabs(v) < 0x1p-126 ? 0.0f : static_cast<float>(v);
}
inline float FastExp2(float v) { return WithoutDenormal(std::exp2(double(v)) * (1 + 0x1p-22)); }
inline float FastReciprocal(float v) {
  return WithoutDenormal(1.0 / WithoutDenormal(v) * (1 + 0x1p-23));
}

template <typename T>
T ShuffleXor(T value, int mask, const simt::Location& location = simt::Location::current()) {
  struct In {
    T value;
    int mask;
  } in = {value, mask};
  T out;
  simt::WarpExchange(
      "shuffle", &in, sizeof(in), &out, sizeof(out),
      [](const unsigned char(*ins)[simt::kSlot], unsigned char(*outs)[simt::kSlot]) {
        for (int lane = 0; lane < 32; ++lane) {
          In mine, theirs;
          std::memcpy(&mine, ins[lane], sizeof(In));
          std::memcpy(&theirs, ins[lane ^ mine.mask], sizeof(In));
          std::memcpy(outs[lane], &theirs.value, sizeof(T));
        }
      },
      location);
  return out;
}

inline int WarpUniform(int value, const simt::Location& location = simt::Location::current()) {
  for (int mask = 1; mask < 32; mask *= 2) {
    if (ShuffleXor(value, mask, location) != value) {
      simt::Fail("a value that differs between lanes", location);
    }
  }
  return value;
}

enum class Cache { kL1, kL2 };

// The destination is NaN until the copy is awaited.
template <int kBytes, Cache kCache = Cache::kL1>
void CopyAsync(void* to, const void* from, bool valid,
               const simt::Location& location = simt::Location::current()) {
  const auto offset = static_cast<unsigned char*>(to) - simt::CurrentBlock().shared;
  if (offset < 0 || offset + kBytes > static_cast<ptrdiff_t>(simt::CurrentBlock().shared_bytes)) {
    simt::Fail("a copy to an address outside shared memory", location);
  }
  if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % kBytes != 0) {
    simt::Fail("a copy of misaligned addresses", location);
  }
  unsigned char data[kBytes] = {};
  if (valid)
    std::memcpy(data, from, kBytes);  // read here, so that AddressSanitizer names this line
#if CONVLSTM_CUDA_ARCH >= 800
  std::memset(to, 0xff, kBytes);
  const simt::TsanIgnoreScope unwatched;
  simt::Lane& lane = simt::CurrentLane();
  lane.copies.push_back({to, from, kBytes, valid, lane.group});
#else
  std::memcpy(to, data, kBytes);
#endif
}

inline void CommitCopies() {
  const simt::TsanIgnoreScope unwatched;
  ++simt::CurrentLane().group;
}

template <int kGroups>
void WaitForCopies() {
  // ThreadSanitizer sees the copies land, but not the simulator's list of them.
  std::vector<simt::Copy> landing;
  {
    const simt::TsanIgnoreScope unwatched;
    simt::Lane& lane = simt::CurrentLane();
    std::vector<simt::Copy> flying;
    for (const simt::Copy& copy : lane.copies) {
      (copy.group < lane.group - kGroups ? landing : flying).push_back(copy);
    }
    lane.copies.swap(flying);
  }
  for (const simt::Copy& copy : landing) {
    if (copy.valid) {
      std::memcpy(copy.to, copy.from, copy.bytes);
    } else {
      std::memset(copy.to, 0, copy.bytes);
    }
  }
}

#if CONVLSTM_CUDA_ARCH >= 800

inline uint32_t RoundToBf16(float value) {
  const uint32_t bits = Bits(value);
  if (std::isnan(value)) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
inline uint32_t PackBf16(float low, float high) {
  return RoundToBf16(low) | RoundToBf16(high) << 16;
}

// Rounds to float32 towards zero.
inline float TruncateToFloat32(double sum) {
  const auto nearest = static_cast<float>(sum);
  return std::fabs(nearest) > std::fabs(sum) ? std::nextafter(nearest, 0.0f) : nearest;
}

// A row of d += a b with the accumulation of tensor cores, which no manual specifies: products are
// exact, but all terms that are added at once are truncated to 24 bits below the exponent of the
// largest, and so is the sum. Known by experiment (Khattak and Mikaitis 2025, Xie et al. 2025) for
// compute capability 8; newer ones keep a bit more, so that errors here are an upper bound.
template <int kAtOnce>
void AddProducts(const float* a, const float (*b)[8], float (&d)[8]) {
  float products[kAtOnce][8], scales[8];
  uint32_t largest[8];
  int32_t sums[8];
  for (int n = 0; n < 8; ++n) largest[n] = Bits(d[n]) & 0x7fffffff;
  for (int k = 0; k < kAtOnce; ++k) {
    for (int n = 0; n < 8; ++n) {
      products[k][n] = a[k] * b[k][n];
      largest[n] = std::max(largest[n], Bits(products[k][n]) & 0x7fffffff);
    }
  }
  const auto finite = [](uint32_t bits) { return bits < 0x7f800000; };
  if (!std::all_of(largest, largest + 8, finite)) {
    for (int n = 0; n < 8; ++n) {
      for (int k = 0; k < kAtOnce; ++k) d[n] += products[k][n];
    }
    return;
  }
  for (int n = 0; n < 8; ++n) {
    const uint32_t exponent = std::max(largest[n] >> 23, 27u);  // the scale is a float32 too
    scales[n] = FromBits((127 + 24 + 127 - exponent) << 23);
    sums[n] = static_cast<int32_t>(d[n] * scales[n]);
  }
  for (int k = 0; k < kAtOnce; ++k) {
    for (int n = 0; n < 8; ++n) sums[n] += static_cast<int32_t>(products[k][n] * scales[n]);
  }
  for (int n = 0; n < 8; ++n) d[n] = TruncateToFloat32(sums[n] / double{scales[n]});
}

// The fragments of a lane.
struct MmaOperands {
  float d[4];
  uint32_t a[4];
  uint32_t b[2];
};

// d += a b, accumulating kAtOnce of depth at a time; element(lanes, a, b) unpacks the operands.
template <int kK, int kAtOnce, typename Element>
void MultiplyFragments(const unsigned char (*ins)[simt::kSlot], unsigned char (*outs)[simt::kSlot],
                       const Element& element) {
  MmaOperands lanes[32];
  float a[16][kK], b[kK][8];
  for (int lane = 0; lane < 32; ++lane) std::memcpy(&lanes[lane], ins[lane], sizeof(MmaOperands));
  element(lanes, a, b);
  for (int row = 0; row < 16; ++row) {
    // The four lanes that hold the row, two columns each.
    MmaOperands* const first = lanes + row % 8 * 4;
    const int half = row / 8 * 2;
    float d[8];
    for (int n = 0; n < 8; ++n) d[n] = first[n / 2].d[half + n % 2];
    for (int depth = 0; depth < kK; depth += kAtOnce) {
      AddProducts<kAtOnce>(a[row] + depth, b + depth, d);
    }
    for (int n = 0; n < 8; ++n) first[n / 2].d[half + n % 2] = d[n];
  }
  for (int lane = 0; lane < 32; ++lane) {
    std::memcpy(outs[lane], lanes[lane].d, sizeof(lanes[lane].d));
  }
}

inline void RunMma(const char* what, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                   simt::Exchange exchange, const simt::Location& location) {
  MmaOperands in;
  std::memcpy(in.d, d, sizeof(d));
  std::memcpy(in.a, a, sizeof(a));
  std::memcpy(in.b, b, sizeof(b));
  simt::WarpExchange(what, &in, sizeof(in), d, sizeof(d), exchange, location);
}

inline void MmaTf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                    const simt::Location& location = simt::Location::current()) {
  RunMma(
      "mma.tf32", d, a, b,
      [](const unsigned char(*ins)[simt::kSlot], unsigned char(*outs)[simt::kSlot]) {
        MultiplyFragments<8, 4>(ins, outs, [](const MmaOperands* lanes, auto& a, auto& b) {
          for (int lane = 0; lane < 32; ++lane) {
            const int g = lane / 4, t = lane % 4;
            for (int k = 0; k < 4; ++k) {  // the low 13 bits are ignored
              a[g + k % 2 * 8][t + k / 2 * 4] = FromBits(lanes[lane].a[k] & 0xffffe000);
            }
            for (int k = 0; k < 2; ++k) b[t + k * 4][g] = FromBits(lanes[lane].b[k] & 0xffffe000);
          }
        });
      },
      location);
}

inline void MmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                    const simt::Location& location = simt::Location::current()) {
  RunMma(
      "mma.bf16", d, a, b,
      [](const unsigned char(*ins)[simt::kSlot], unsigned char(*outs)[simt::kSlot]) {
        MultiplyFragments<16, 8>(ins, outs, [](const MmaOperands* lanes, auto& a, auto& b) {
          const auto half = [](uint32_t pair, int odd) {
            return FromBits(odd ? pair & 0xffff0000 : pair << 16);
          };
          for (int lane = 0; lane < 32; ++lane) {
            const int g = lane / 4, t = lane % 4;
            for (int odd = 0; odd < 2; ++odd) {
              for (int k = 0; k < 4; ++k) {
                a[g + k % 2 * 8][2 * t + odd + k / 2 * 8] = half(lanes[lane].a[k], odd);
              }
              for (int k = 0; k < 2; ++k) b[2 * t + odd + k * 8][g] = half(lanes[lane].b[k], odd);
            }
          }
        });
      },
      location);
}

#endif

#if CONVLSTM_CUDA_WGMMA

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

// What is to be added to is NaN as long as products are under way.
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

#endif

}  // namespace convlstm::cuda

#endif  // CONVLSTM_TEST_SIMT_PTX_H_
