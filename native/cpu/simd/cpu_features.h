// The processor's instruction sets and sizes of caches, read once.
#ifndef CONVLSTM_CPU_SIMD_CPU_FEATURES_H_
#define CONVLSTM_CPU_SIMD_CPU_FEATURES_H_

#include <cstddef>
#include <string>
#include <vector>

namespace convlstm::cpu {

// Bytes. The defaults are those of a small processor of today, for one that does not report them.
struct CacheSizes {
  size_t l1d = size_t{32} << 10;  // of a core
  size_t l2 = size_t{512} << 10;  // a core's share
  size_t l3 = size_t{8} << 20;    // the whole cache that a core uses; without L3, the whole L2
};

// A data or unified cache as the processor describes it.
struct CacheLevel {
  int level;
  size_t bytes;
  int threads;  // hardware threads that share it
};
// Hardware threads that share an L1 are one core. Absent levels keep the default.
CacheSizes CacheSizesOf(const std::vector<CacheLevel>& levels);
// Empty where neither processor nor operating system reports them.
std::vector<CacheLevel> ReadCacheLevels();

// Instruction sets count where the operating system saves their registers too.
struct CpuFeatures {
  bool avx2 = false;    // with FMA, BMI2 and F16C
  bool avx512 = false;  // F, BW, CD, DQ, VL
  bool avx512_bf16 = false;
  bool amx_bf16 = false;
  bool neon = false;
  CacheSizes caches;
};

// The first call asks Linux for the tile registers.
const CpuFeatures& GetCpuFeatures();
// Names of the instruction sets: "avx2", "avx512f", "avx512bf16", "amx-bf16", "neon".
std::vector<std::string> CpuFeatureNames();

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_SIMD_CPU_FEATURES_H_
