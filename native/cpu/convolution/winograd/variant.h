// The Winograd variants, and how they cut frames into tiles.
#ifndef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_VARIANT_H_
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_VARIANT_H_

#include <array>
#include <cstddef>

#include "core/divide_up.h"
#include "cpu/simd/isa.h"

namespace convlstm::cpu {

// F(rows x columns, taps x taps).
struct WinogradVariant {
  size_t taps;
  size_t rows;
  size_t columns;

  constexpr size_t patch_rows() const { return rows + taps - 1; }
  constexpr size_t patch_columns() const { return columns + taps - 1; }
  constexpr size_t products() const { return patch_rows() * patch_columns(); }
  constexpr size_t pad() const { return (taps - 1) / 2; }
};

// Left out after a trial: bfloat16 products by vdpbf16ps at twice the rate of multiply-adds,
// because F(4x2, 3x3) misses kMedium's 2e-2 on layers of large weights and F(2x2, 3x3), which keeps
// it, has more to do than F(6x6, 3x3) in float32; and F(4x6, 3x3), a ninth fewer products than
// F(4x4, 3x3), because its error on normal x is 3.6 times a direct convolution's, though within
// 1e-5.
inline constexpr std::array kWinogradVariants = {
    WinogradVariant{3, 4, 4}, WinogradVariant{3, 2, 2}, WinogradVariant{3, 6, 6},
    WinogradVariant{5, 4, 2}, WinogradVariant{5, 2, 2}, WinogradVariant{5, 4, 4},
};

// The variant of the gradients, which are accurate in norm at every precision.
constexpr size_t WinogradGradientVariant(size_t taps) { return taps == 3 ? 0 : 5; }

// Tiles of frames, row by row, frame by frame.
struct WinogradTiling {
  WinogradTiling(const WinogradVariant& v, size_t frames, size_t frame_height, size_t frame_width)
      : variant(v),
        height(frame_height),
        width(frame_width),
        tile_rows(DivideUp(height, v.rows)),
        tile_columns(DivideUp(width, v.columns)),
        tiles(frames * tile_rows * tile_columns) {}

  WinogradVariant variant;
  size_t height, width;
  size_t tile_rows, tile_columns;  // of one frame
  size_t tiles;                    // of all frames
};

// Floats per vector.
size_t WinogradLanes(Isa isa);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_VARIANT_H_
