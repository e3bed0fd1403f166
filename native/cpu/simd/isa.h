// Which instruction set the CPU backend runs on: the best the machine has, or what CONVLSTM_ISA
// asks for.
#ifndef CONVLSTM_CPU_SIMD_ISA_H_
#define CONVLSTM_CPU_SIMD_ISA_H_

#include <vector>

namespace convlstm::cpu {

// Worst first. kEmulatedAmx runs the AMX kernels on software tiles, so that they are tested on
// machines that have none; it is never chosen, only asked for.
enum class Isa { kPortable, kNeon, kAvx2, kAvx512, kAmx, kEmulatedAmx };

const char* IsaName(Isa isa);  // "portable", "neon", "avx2", "avx512", "amx", "emulated-amx"

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
