// The processor's tile registers and their emulation, per Highway target.
//
// Both types have eight tiles of 16 rows of 64 bytes: 16x16 float32 or 16x32 bfloat16. An object
// owns the calling thread's tiles: the constructor configures them, the destructor releases them.
// Tile numbers are part of the instruction, hence template arguments.

#if defined(CONVLSTM_CPU_CONV_LSTM_AMX_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONV_LSTM_AMX_TILES_INL_H_
#undef CONVLSTM_CPU_CONV_LSTM_AMX_TILES_INL_H_
#else
#define CONVLSTM_CPU_CONV_LSTM_AMX_TILES_INL_H_
#endif

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "core/error.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

inline constexpr int kTiles = 8;
inline constexpr int kTileRows = 16;
inline constexpr int kTileRowBytes = 64;

#if HWY_TARGET == HWY_AVX3 && HWY_ARCH_X86_64 && defined(__linux__)
#define CONVLSTM_HAVE_HARDWARE_TILES 1

// Inline assembly: GCC's _tile_loadd(number, ...) pastes the number's text into the instruction,
// which fails for template arguments, and does not tell the compiler that it reads memory.
class HardwareTiles {
 public:
  static constexpr bool kHardware = true;

  HardwareTiles() {
    struct alignas(64) {
      uint8_t palette = 1;
      uint8_t start_row = 0;
      uint8_t reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    static_assert(sizeof(config) == 64);
    for (int i = 0; i < kTiles; ++i) {
      config.row_bytes[i] = kTileRowBytes;
      config.rows[i] = kTileRows;
    }
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~HardwareTiles() { asm volatile("tilerelease"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int kTile>
  HWY_INLINE void Zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  // Row r is at base + r * stride bytes.
  template <int kTile>
  HWY_INLINE void Load(const void* base, ptrdiff_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(base), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  HWY_INLINE void Store(void* base, ptrdiff_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(base), "r"(stride), "i"(kTile) : "memory");
  }
  // sum[m][n] += a[m][k] * b[k / 2][2 * n + k % 2] over the 32 k.
  template <int kSum, int kA, int kB>
  HWY_INLINE void Dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
};
#endif  // HWY_AVX3 on Linux

// Follows the pseudo-code of TDPBF16PS in Intel's manual: even and odd products of pairs accumulate
// apart, from zero, by fused multiply-adds; then odd is added to even, and the sum to the
// destination. Every operation rounds to nearest even and flushes denormal operands and results to
// zero. Loads and stores touch exactly 16 x 64 bytes. Using a tile before it is zeroed or loaded
// throws Error(kInternal).
class EmulatedTiles {
 public:
  static constexpr bool kHardware = false;

  EmulatedTiles() = default;
  EmulatedTiles(const EmulatedTiles&) = delete;
  EmulatedTiles& operator=(const EmulatedTiles&) = delete;

  template <int kTile>
  void Zero() {
    std::memset(tiles_[kTile].bytes, 0, sizeof(tiles_[kTile].bytes));
    tiles_[kTile].loaded = true;
  }
  template <int kTile>
  void Load(const void* base, ptrdiff_t stride) {
    const uint8_t* row = static_cast<const uint8_t*>(base);
    for (int r = 0; r < kTileRows; ++r) {
      std::memcpy(tiles_[kTile].bytes[r], row + r * stride, kTileRowBytes);
    }
    tiles_[kTile].loaded = true;
  }
  template <int kTile>
  void Store(void* base, ptrdiff_t stride) const {
    const Tile& tile = Loaded(kTile);
    uint8_t* row = static_cast<uint8_t*>(base);
    for (int r = 0; r < kTileRows; ++r) {
      std::memcpy(row + r * stride, tile.bytes[r], kTileRowBytes);
    }
  }
  template <int kSum, int kA, int kB>
  void Dot() {
    static_assert(kSum != kA && kSum != kB && kA != kB, "the processor refuses equal tiles");
    Loaded(kSum);
    Accumulate(tiles_[kSum], Loaded(kA), Loaded(kB));
  }

 private:
  struct Tile {
    alignas(64) uint8_t bytes[kTileRows][kTileRowBytes];
    bool loaded = false;
  };

  const Tile& Loaded(int tile) const {
    if (!tiles_[tile].loaded) {
      throw Error(ErrorCode::kInternal,
                  "tile " + std::to_string(tile) + " is used before it is loaded");
    }
    return tiles_[tile];
  }

  static float Flush(float v) { return std::fabs(v) < FLT_MIN ? std::copysign(0.0f, v) : v; }

  static void Accumulate(Tile& sum, const Tile& a, const Tile& b) {
    float even_b[kTileRows][16], odd_b[kTileRows][16];
    for (int k = 0; k < kTileRows; ++k) {
      uint32_t pairs[16];
      std::memcpy(pairs, b.bytes[k], kTileRowBytes);
      for (int n = 0; n < 16; ++n) {
        even_b[k][n] = Flush(std::bit_cast<float>(pairs[n] << 16));
        odd_b[k][n] = Flush(std::bit_cast<float>(pairs[n] & 0xffff0000u));
      }
    }
    for (int m = 0; m < kTileRows; ++m) {
      uint32_t pairs[16];
      std::memcpy(pairs, a.bytes[m], kTileRowBytes);
      float even[16] = {}, odd[16] = {};
      for (int k = 0; k < 16; ++k) {
        const float even_a = Flush(std::bit_cast<float>(pairs[k] << 16));
        const float odd_a = Flush(std::bit_cast<float>(pairs[k] & 0xffff0000u));
        for (int n = 0; n < 16; ++n) {
          even[n] = Flush(std::fma(even_a, even_b[k][n], even[n]));
          odd[n] = Flush(std::fma(odd_a, odd_b[k][n], odd[n]));
        }
      }
      float row[16];
      std::memcpy(row, sum.bytes[m], kTileRowBytes);
      for (int n = 0; n < 16; ++n) row[n] = Flush(Flush(row[n]) + Flush(even[n] + odd[n]));
      std::memcpy(sum.bytes[m], row, kTileRowBytes);
    }
  }

  Tile tiles_[kTiles];
};

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONV_LSTM_AMX_TILES_INL_H_
