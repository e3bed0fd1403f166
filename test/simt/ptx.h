// Host counterpart of native/cuda/instructions/ptx.cuh. The build defines CONVLSTM_CUDA_ARCH.
#ifndef CONVLSTM_TEST_SIMT_PTX_H_
#define CONVLSTM_TEST_SIMT_PTX_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

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

}  // namespace convlstm::cuda

#if CONVLSTM_CUDA_WGMMA
#include "simt/wgmma.h"
#endif

#endif  // CONVLSTM_TEST_SIMT_PTX_H_
