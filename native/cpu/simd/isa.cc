#include "cpu/simd/isa.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"

#if defined(_M_X64)
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace convlstm::cpu {
namespace {

#if defined(__x86_64__) || defined(_M_X64)

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidRegisters Cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidRegisters r;
#if defined(_MSC_VER)
  int values[4];
  __cpuid(values, 0);
  if (leaf > static_cast<uint32_t>(values[0])) return r;
  __cpuidex(values, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<uint32_t>(values[0]), static_cast<uint32_t>(values[1]),
       static_cast<uint32_t>(values[2]), static_cast<uint32_t>(values[3])};
#else
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
  return r;
}

bool Bit(uint64_t word, int bit) { return (word >> bit) & 1; }

// Which register files the operating system saves.
uint64_t ReadXcr0() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
#endif
}

// Linux hands out the tile registers on request, for the whole process and its later threads.
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
#if defined(__ARM_NEON)
  f.neon = true;
#endif
  return f;
}

#endif

std::string JoinNames(const std::vector<Isa>& isas) {
  std::string text;
  for (const Isa isa : isas) text += std::string(text.empty() ? "" : ", ") + IsaName(isa);
  return text;
}

Isa ReadCurrentIsa() {
  std::vector<Isa> allowed = AvailableIsas();
  const char* name = std::getenv("CONVLSTM_ISA");
  if (name == nullptr || *name == '\0') return allowed.front();
  allowed.push_back(Isa::kEmulatedAmx);
  const auto found = std::find_if(allowed.begin(), allowed.end(), [name](Isa isa) {
    return std::string_view(name) == IsaName(isa);
  });
  if (found == allowed.end()) {
    throw Error(ErrorCode::kOption, "CONVLSTM_ISA: expected one of " + JoinNames(allowed) +
                                        " on this machine, got " + name);
  }
  return *found;
}

}  // namespace

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kNeon:
      return "neon";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAmx:
      return "amx";
    case Isa::kEmulatedAmx:
      return "emulated-amx";
  }
  return "portable";
}

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

std::vector<Isa> AvailableIsas() {
  const CpuFeatures& f = GetCpuFeatures();
  std::vector<Isa> isas;
  if (f.amx_bf16) isas.push_back(Isa::kAmx);
  if (f.avx512) isas.push_back(Isa::kAvx512);
  if (f.avx2) isas.push_back(Isa::kAvx2);
  if (f.neon) isas.push_back(Isa::kNeon);
  isas.push_back(Isa::kPortable);
  return isas;
}

Isa SimdIsa(Isa isa) {
  if (isa != Isa::kAmx && isa != Isa::kEmulatedAmx) return isa;
  const CpuFeatures& f = GetCpuFeatures();
  if (f.avx512) return Isa::kAvx512;
  if (f.avx2) return Isa::kAvx2;
  return f.neon ? Isa::kNeon : Isa::kPortable;
}

Isa CurrentIsa() {
  static const Isa isa = ReadCurrentIsa();
  return isa;
}

}  // namespace convlstm::cpu
