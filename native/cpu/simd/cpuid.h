// The CPUID instruction, where CONVLSTM_HAVE_CPUID is defined.
#ifndef CONVLSTM_CPU_SIMD_CPUID_H_
#define CONVLSTM_CPU_SIMD_CPUID_H_

#include <cstdint>

#if defined(_M_X64)
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define CONVLSTM_HAVE_CPUID 1

namespace convlstm::cpu {

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Zeros for a leaf beyond the processor's last.
inline CpuidRegisters Cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidRegisters r;
#if defined(_MSC_VER)
  int values[4];
  __cpuid(values, static_cast<int>(leaf & 0x80000000u));
  if (leaf > static_cast<uint32_t>(values[0])) return r;
  __cpuidex(values, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<uint32_t>(values[0]), static_cast<uint32_t>(values[1]),
       static_cast<uint32_t>(values[2]), static_cast<uint32_t>(values[3])};
#else
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
  return r;
}

}  // namespace convlstm::cpu

#endif

#endif  // CONVLSTM_CPU_SIMD_CPUID_H_
