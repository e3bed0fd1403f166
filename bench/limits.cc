// This machine's limits: float32 multiply-adds per instruction set, bfloat16 dot products, AMX tiles,
// reads from each level of memory. Instructions that the processor or system lacks are skipped.
//
//   limits THREADS   prints one line of JSON: { "<what>": GFLOP/s or GB/s }, the best of some runs;
//                    for arithmetic also "<what>, median", of many short runs
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

constexpr int kRepetitions = 5;
constexpr double kSecondsEach = 0.04;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds of body(thread, rounds) on `threads` threads that start together.
template <typename Body>
double Time(int threads, long rounds, const Body& body) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) {
    others.emplace_back([&, thread] {
      ++ready;
      while (!go) {
      }
      body(thread, rounds);
    });
  }
  while (ready < threads - 1) {
  }
  const double start = Now();
  go = true;
  body(0, rounds);
  for (std::thread& other : others) other.join();
  return Now() - start;
}

// The best rate of all threads together, given the work of one round of one thread.
template <typename Body>
double Rate(int threads, double work, const Body& body) {
  long rounds = 1;
  while (Time(threads, rounds, body) < kSecondsEach) rounds *= 2;
  double best = 0;
  for (int k = 0; k < kRepetitions; ++k) {
    best = std::max(best, work * threads * rounds / Time(threads, rounds, body) * 1e-9);
  }
  return best;
}

// The median of many short runs: well below the best where others share the cores.
template <typename Body>
double MedianRate(int threads, double work, const Body& body) {
  constexpr double kSecondsOfRun = 0.004;
  long rounds = 1;
  const auto time = [&] { return Time(threads, rounds, body); };
  while (std::min({time(), time(), time()}) < kSecondsOfRun) rounds *= 2;
  std::vector<double> rates(201);
  for (double& rate : rates) {
    rate = work * threads * rounds / time() * 1e-9;
  }
  std::nth_element(rates.begin(), rates.begin() + 100, rates.end());
  return rates[100];
}

std::vector<std::pair<std::string, double>> results;

// Twelve independent chains hide the latency of a multiply-add on every processor of interest. In
// assembly, because compilers spill chains that they are not allowed to fold.
constexpr int kChains = 12;
constexpr int kInner = 1000;

#define CONVLSTM_TWELVE(line)                                                               \
  line("0") line("1") line("2") line("3") line("4") line("5") line("6") line("7") line("8") \
      line("9") line("10") line("11")

#if defined(__x86_64__)

#define CONVLSTM_ZERO(n) "vpxor %%xmm" n ", %%xmm" n ", %%xmm" n "\n\t"
#define CONVLSTM_RATE_LOOP(line)                                                                 \
  asm volatile(CONVLSTM_TWELVE(CONVLSTM_ZERO) CONVLSTM_ZERO("14")                                \
                   CONVLSTM_ZERO("15") ".p2align 5\n1:\n\t" CONVLSTM_TWELVE(                     \
                       line) "dec %0\n\tjnz 1b\n\tvzeroupper\n\t"                                \
               : "+r"(iterations)                                                                \
               :                                                                                 \
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
                 "xmm10", "xmm11", "xmm14", "xmm15", "cc")

#define CONVLSTM_FMA_YMM(n) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" n "\n\t"
#define CONVLSTM_FMA_ZMM(n) "vfmadd231ps %%zmm14, %%zmm15, %%zmm" n "\n\t"
#define CONVLSTM_DOT_ZMM(n) "vdpbf16ps %%zmm14, %%zmm15, %%zmm" n "\n\t"

void FmaAvx2(long rounds) {
  long iterations = rounds * kInner;
  CONVLSTM_RATE_LOOP(CONVLSTM_FMA_YMM);
}

void FmaAvx512(long rounds) {
  long iterations = rounds * kInner;
  CONVLSTM_RATE_LOOP(CONVLSTM_FMA_ZMM);
}

void DotBf16(long rounds) {
  long iterations = rounds * kInner;
  CONVLSTM_RATE_LOOP(CONVLSTM_DOT_ZMM);
}

// Asks Linux for the tile registers; false where the processor or the system has none.
bool HasAmxBf16() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

__attribute__((target("amx-tile,amx-bf16"))) void AmxBf16(long rounds) {
  struct __attribute__((packed)) {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  // Not _tile_loadconfig: GCC's does not say that it reads memory, and drops or delays the stores.
  asm volatile("ldtilecfg %0" ::"m"(config));
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (long k = 0; k < rounds * kInner; ++k) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

void MeasureArithmetic(int threads) {
  const auto rate = [&](const char* what, double flops, void (*function)(long)) {
    results.emplace_back(
        what, Rate(threads, flops * kInner, [&](int, long rounds) { function(rounds); }));
    results.emplace_back(
        std::string(what) + ", median",
        MedianRate(threads, flops * kInner, [&](int, long rounds) { function(rounds); }));
  };
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    rate("f32 avx2", 2.0 * 8 * kChains, FmaAvx2);
  }
  if (__builtin_cpu_supports("avx512f")) rate("f32 avx512", 2.0 * 16 * kChains, FmaAvx512);
  if (__builtin_cpu_supports("avx512bf16")) rate("bf16 avx512", 2.0 * 32 * kChains, DotBf16);
  if (HasAmxBf16()) rate("bf16 amx", 2.0 * 16 * 16 * 32 * 4, AmxBf16);
}

#elif defined(__aarch64__)

#define CONVLSTM_FMA_NEON(n) "fmla v" n ".4s, v14.4s, v15.4s\n\t"

void FmaNeon(long rounds) {
  long iterations = rounds * kInner;
  asm volatile("1:\n\t" CONVLSTM_TWELVE(CONVLSTM_FMA_NEON) "subs %0, %0, #1\n\tb.ne 1b\n\t"
               : "+r"(iterations)
               :
               : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "cc");
}

void MeasureArithmetic(int threads) {
  constexpr double kFlops = 2.0 * 4 * kChains * kInner;
  const auto run = [](int, long rounds) { FmaNeon(rounds); };
  results.emplace_back("f32 neon", Rate(threads, kFlops, run));
  results.emplace_back("f32 neon, median", MedianRate(threads, kFlops, run));
}

#else
void MeasureArithmetic(int) {}
#endif

uint64_t SumWords(const uint64_t* words, size_t count) {
  uint64_t sums[32] = {};
  for (size_t k = 0; k < count; k += 32) {
    for (int q = 0; q < 32; ++q) sums[q] += words[k + q];
  }
  uint64_t total = 0;
  for (uint64_t sum : sums) total += sum;
  return total;
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) uint64_t SumWordsAvx2(const uint64_t* words, size_t count) {
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  const __m256i* vectors = reinterpret_cast<const __m256i*>(words);
  for (size_t k = 0; k < count / 4; k += 8) {
    _Pragma("GCC unroll 8") for (int q = 0; q < 8; ++q) {
      sums[q] = _mm256_add_epi64(sums[q], vectors[k + q]);
    }
  }
  uint64_t lanes[4], total = 0;
  for (__m256i sum : sums) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum);
    total += lanes[0] + lanes[1] + lanes[2] + lanes[3];
  }
  return total;
}
#endif

void MeasureReads(int threads) {
  auto* sum = SumWords;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) sum = SumWordsAvx2;
#endif
  const struct {
    const char* what;
    size_t bytes;
  } sizes[] = {{"read 16 KiB", size_t{16} << 10},
               {"read 512 KiB", size_t{512} << 10},
               {"read 8 MiB", size_t{8} << 20},
               {"read 256 MiB", size_t{256} << 20}};
  for (const auto& size : sizes) {
    std::vector<uint64_t*> buffers;
    for (int thread = 0; thread < threads; ++thread) {
      buffers.push_back(static_cast<uint64_t*>(std::aligned_alloc(4096, size.bytes)));
      std::memset(buffers.back(), 1, size.bytes);
    }
    std::atomic<uint64_t> sink{0};
    const double rate =
        Rate(threads, static_cast<double>(size.bytes), [&](int thread, long rounds) {
          uint64_t total = 0;
          for (long k = 0; k < rounds; ++k) total += sum(buffers[thread], size.bytes / 8);
          sink += total;
        });
    results.emplace_back(size.what, rate);
    for (uint64_t* buffer : buffers) std::free(buffer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  MeasureArithmetic(threads);
  MeasureReads(threads);
  for (size_t k = 0; k < results.size(); ++k) {
    std::printf("%s\"%s\": %.1f", k ? ", " : "{", results[k].first.c_str(), results[k].second);
  }
  std::puts("}");
}
