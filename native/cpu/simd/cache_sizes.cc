// Sizes of caches: by cpuid on x86, by sysctl on macOS, by sysfs on Linux elsewhere.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

#include "cpu/simd/cpu_features.h"
#include "cpu/simd/cpuid.h"

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace convlstm::cpu {

CacheSizes CacheSizesOf(const std::vector<CacheLevel>& levels) {
  CacheSizes sizes;
  const auto find = [&](int level) {
    return std::find_if(levels.begin(), levels.end(),
                        [level](const CacheLevel& cache) { return cache.level == level; });
  };
  const auto l1 = find(1), l2 = find(2), l3 = find(3);
  if (l1 != levels.end()) sizes.l1d = l1->bytes;
  if (l2 != levels.end()) {
    const int threads_of_core = l1 == levels.end() ? 1 : l1->threads;
    sizes.l2 = l2->bytes / std::max(1, l2->threads / threads_of_core);
    sizes.l3 = std::max(sizes.l2, l2->bytes);
  }
  if (l3 != levels.end()) sizes.l3 = l3->bytes;
  return sizes;
}

#if CONVLSTM_HAVE_CPUID

// Leaf 4 has one subleaf a cache; AMD leaves it empty and has 0x8000001d in the same format.
std::vector<CacheLevel> ReadCacheLevels() {
  std::vector<CacheLevel> levels;
  for (const uint32_t leaf : {4u, 0x8000001du}) {
    if (!levels.empty()) break;
    constexpr uint32_t kMostCaches = 16;
    for (uint32_t subleaf = 0; subleaf < kMostCaches; ++subleaf) {
      const CpuidRegisters r = Cpuid(leaf, subleaf);
      constexpr uint32_t kNone = 0, kInstructions = 2;
      const uint32_t type = r.eax & 0x1f;
      if (type == kNone) break;
      if (type == kInstructions) continue;
      const size_t line = (r.ebx & 0xfff) + 1, partitions = (r.ebx >> 12 & 0x3ff) + 1;
      const size_t ways = (r.ebx >> 22) + 1, sets = size_t{r.ecx} + 1;
      levels.push_back({static_cast<int>(r.eax >> 5 & 7), line * partitions * ways * sets,
                        static_cast<int>(r.eax >> 14 & 0xfff) + 1});
    }
  }
  return levels;
}

#elif defined(__APPLE__)

// perflevel0 is the performance cores'.
std::vector<CacheLevel> ReadCacheLevels() {
  const auto read = [](const std::string& name) {
    int64_t value = 0;
    size_t bytes = sizeof(value);
    return sysctlbyname(name.c_str(), &value, &bytes, nullptr, 0) == 0 ? value : 0;
  };
  const std::string prefix = read("hw.perflevel0.l2cachesize") > 0 ? "hw.perflevel0." : "hw.";
  const int sharing = static_cast<int>(std::max<int64_t>(1, read("hw.perflevel0.cpusperl2")));
  std::vector<CacheLevel> levels = {
      {1, static_cast<size_t>(read(prefix + "l1dcachesize")), 1},
      {2, static_cast<size_t>(read(prefix + "l2cachesize")), sharing},
      {3, static_cast<size_t>(read(prefix + "l3cachesize")), sharing},
  };
  std::erase_if(levels, [](const CacheLevel& cache) { return cache.bytes == 0; });
  return levels;
}

#elif defined(__linux__)

std::vector<CacheLevel> ReadCacheLevels() {
  std::vector<CacheLevel> levels;
  for (int index = 0;; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const auto read = [&](const char* file) {
      std::string text;
      std::ifstream(folder + file) >> text;
      return text;
    };
    const std::string size = read("size"), level = read("level"), map = read("shared_cpu_map");
    if (level.empty()) return levels;
    if (size.empty() || read("type") == "Instruction") continue;
    // size: "512K"; shared_cpu_map: hexadecimal with commas, one bit a hardware thread.
    const size_t unit = size.back() == 'M' ? 1 << 20 : size.back() == 'K' ? 1 << 10 : 1;
    int threads = 0;
    for (const char digit : map) {
      if (digit == ',') continue;
      const int value = digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
      threads += (value & 1) + (value >> 1 & 1) + (value >> 2 & 1) + (value >> 3 & 1);
    }
    levels.push_back({std::stoi(level), std::stoul(size) * unit, std::max(1, threads)});
  }
}

#else

std::vector<CacheLevel> ReadCacheLevels() { return {}; }

#endif

}  // namespace convlstm::cpu
