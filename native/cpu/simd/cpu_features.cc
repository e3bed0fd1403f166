#include "cpu/simd/cpu_features.h"

#include <cstdint>

#include "cpu/simd/cpuid.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace convlstm::cpu {
namespace {

#if CONVLSTM_HAVE_CPUID

bool Bit(uint64_t word, int bit) { return (word >> bit) & 1; }

// The register files that the operating system saves.
uint64_t ReadXcr0() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
#endif
}

// Linux grants the tile registers on request, for the whole process and its later threads.
bool RequestTileRegisters() {
#if defined(__linux__)
  constexpr int kArchReqXcompPerm = 0x1023;
  constexpr int kXfeatureXtileData = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtileData) == 0;
#else
  return false;
#endif
}

CpuFeatures DetectFeatures() {
  CpuFeatures f;
  f.caches = CacheSizesOf(ReadCacheLevels());
  const CpuidRegisters leaf1 = Cpuid(1, 0);
  const bool os_saves_extended_state = Bit(leaf1.ecx, 27);
  if (!os_saves_extended_state) return f;
  const uint64_t xcr0 = ReadXcr0();
  const CpuidRegisters leaf7 = Cpuid(7, 0);
  const CpuidRegisters leaf7_1 = Cpuid(7, 1);

  constexpr uint64_t kYmmState = 0x6;
  constexpr uint64_t kZmmState = 0xe6;
  constexpr uint64_t kTileState = 0x60000;
  const bool fma = Bit(leaf1.ecx, 12), avx = Bit(leaf1.ecx, 28), f16c = Bit(leaf1.ecx, 29);
  const bool bmi1 = Bit(leaf7.ebx, 3), avx2 = Bit(leaf7.ebx, 5), bmi2 = Bit(leaf7.ebx, 8);
  f.avx2 = (xcr0 & kYmmState) == kYmmState && avx && avx2 && fma && f16c && bmi1 && bmi2;
  const bool avx512f = Bit(leaf7.ebx, 16), avx512dq = Bit(leaf7.ebx, 17);
  const bool avx512cd = Bit(leaf7.ebx, 28), avx512bw = Bit(leaf7.ebx, 30);
  const bool avx512vl = Bit(leaf7.ebx, 31);
#if !defined(_MSC_VER)  // Highway has no AVX3 there
  f.avx512 = f.avx2 && (xcr0 & kZmmState) == kZmmState && avx512f && avx512dq && avx512cd &&
             avx512bw && avx512vl;
#endif
  f.avx512_bf16 = f.avx512 && Bit(leaf7_1.eax, 5);
  const bool amx_bf16 = Bit(leaf7.edx, 22), amx_tile = Bit(leaf7.edx, 24);
  f.amx_bf16 = f.avx512_bf16 && (xcr0 & kTileState) == kTileState && amx_tile && amx_bf16 &&
               RequestTileRegisters();
  return f;
}

#else

CpuFeatures DetectFeatures() {
  CpuFeatures f;
  f.caches = CacheSizesOf(ReadCacheLevels());
#if defined(__ARM_NEON)
  f.neon = true;
#endif
  return f;
}

#endif

}  // namespace

const CpuFeatures& GetCpuFeatures() {
  static const CpuFeatures features = DetectFeatures();
  return features;
}

std::vector<std::string> CpuFeatureNames() {
  const CpuFeatures& f = GetCpuFeatures();
  std::vector<std::string> names;
  if (f.avx2) names.emplace_back("avx2");
  if (f.avx512) names.emplace_back("avx512f");
  if (f.avx512_bf16) names.emplace_back("avx512bf16");
  if (f.amx_bf16) names.emplace_back("amx-bf16");
  if (f.neon) names.emplace_back("neon");
  return names;
}

}  // namespace convlstm::cpu
