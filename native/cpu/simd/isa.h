// Which instruction set the CPU backend runs on: the best the machine has, or what CONVLSTM_ISA
// asks for.
#ifndef CONVLSTM_CPU_SIMD_ISA_H_
#define CONVLSTM_CPU_SIMD_ISA_H_

#include <string>
#include <vector>

namespace convlstm::cpu {

// Worst first. kEmulatedAmx runs the AMX kernels on software tiles, so that they are tested on
// machines that have none; it is never chosen, only asked for.
enum class Isa { kPortable, kNeon, kAvx2, kAvx512, kAmx, kEmulatedAmx };

const char* IsaName(Isa isa);  // "portable", "neon", "avx2", "avx512", "amx", "emulated-amx"

// What the processor and the operating system allow, by CPUID and XGETBV; asks Linux for the tile
// registers once.
struct CpuFeatures {
  bool avx2 = false;    // with FMA, BMI2 and F16C
  bool avx512 = false;  // F, BW, CD, DQ, VL
  bool avx512_bf16 = false;
  bool amx_bf16 = false;
  bool neon = false;
};
const CpuFeatures& GetCpuFeatures();
std::vector<std::string> CpuFeatureNames();

// Best first; ends with kPortable. Without kEmulatedAmx.
std::vector<Isa> AvailableIsas();

// Whose vector code runs beside the tiles: kAmx and kEmulatedAmx become the machine's best set
// without tiles, the others stay.
Isa SimdIsa(Isa isa);

// CONVLSTM_ISA is read once. Throws Error(kOption) when it names none of AvailableIsas() nor
// "emulated-amx"; the message lists them.
Isa CurrentIsa();

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_SIMD_ISA_H_
