// The instruction set of the CPU engine: the machine's best, or the one that CONVLSTM_ISA names.
#ifndef CONVLSTM_CPU_SIMD_ISA_H_
#define CONVLSTM_CPU_SIMD_ISA_H_

#include <vector>

namespace convlstm::cpu {

// Worst first. kEmulatedAmx runs the AMX kernels on software tiles, for tests on machines without
// AMX; it is never chosen unless CONVLSTM_ISA names it.
enum class Isa { kPortable, kNeon, kAvx2, kAvx512, kAmx, kEmulatedAmx };

const char* IsaName(Isa isa);  // "portable", "neon", "avx2", "avx512", "amx", "emulated-amx"

// Best first, ending with kPortable; without kEmulatedAmx.
std::vector<Isa> AvailableIsas();

// The instruction set of the vector code: for kAmx and kEmulatedAmx the machine's best one without
// tiles, else `isa`.
Isa SimdIsa(Isa isa);

// Reads CONVLSTM_ISA once. Throws Error(kOption), which lists the names, unless it names one of
// AvailableIsas() or "emulated-amx".
Isa CurrentIsa();

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_SIMD_ISA_H_
