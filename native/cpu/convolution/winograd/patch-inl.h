// Patches of Winograd tiles and their transforms, per Highway target: patch to V, M to sums.

#if defined(CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PATCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PATCH_INL_H_
#undef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PATCH_INL_H_
#else
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PATCH_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "cpu/convolution/winograd/product-inl.h"
#include "cpu/convolution/winograd/transform-inl.h"
#include "cpu/convolution/winograd/variant.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

// Larger values are multiplied directly: the transform would spread their rounding errors over all
// outputs of the tile, whose own sums may be small. A limit of 6 missed 1e-5 in F(4x2, 5x5) by a
// fifth for h of +-5 everywhere. One value in 16,000 of normal data is above 4.
constexpr float kLargestTransformed = 4.0f;

// A rectangle of channels-last pixels; strides in floats.
struct Patch {
  const float* data;
  size_t row_stride;
  size_t pixel_stride;
};

// A range of the channels of a frame.
struct Channels {
  size_t of_frame;
  size_t first;
  size_t count;
};

// The upper left corner of a tile's outputs.
struct TilePlace {
  size_t sequence;
  size_t top;
  size_t left;
};

HWY_INLINE TilePlace PlaceOf(const WinogradTiling& plan, size_t tile) {
  const size_t column = tile % plan.tile_columns;
  const size_t row = tile / plan.tile_columns;
  return {row / plan.tile_rows, row % plan.tile_rows * plan.variant.rows,
          column * plan.variant.columns};
}

// The input patch of a tile: in place where it lies inside the image, else a copy in `scratch`,
// [products * channels.count], with zeros around.
template <WinogradVariant kVariant>
Patch PatchOf(const WinogradTiling& plan, const TilePlace& place, const float* frame,
              const Channels& channels, float* scratch) {
  constexpr ptrdiff_t kRows = kVariant.patch_rows(), kColumns = kVariant.patch_columns();
  const ptrdiff_t height = plan.height, width = plan.width;
  const ptrdiff_t top = static_cast<ptrdiff_t>(place.top) - kVariant.pad();
  const ptrdiff_t left = static_cast<ptrdiff_t>(place.left) - kVariant.pad();
  if (top >= 0 && left >= 0 && top + kRows <= height && left + kColumns <= width) {
    return {frame + (top * width + left) * channels.of_frame + channels.first,
            static_cast<size_t>(width) * channels.of_frame, channels.of_frame};
  }
  const ptrdiff_t begin = std::max<ptrdiff_t>(0, -left);
  const ptrdiff_t end = std::min(kColumns, width - left);
  const size_t count = channels.count, row_floats = kColumns * count;
  for (ptrdiff_t y = 0; y < kRows; ++y) {
    float* row = scratch + y * row_floats;
    if (top + y < 0 || top + y >= height) {
      std::fill_n(row, row_floats, 0.0f);
      continue;
    }
    std::fill_n(row, begin * count, 0.0f);
    const float* from =
        frame + ((top + y) * width + left + begin) * channels.of_frame + channels.first;
    if (count == channels.of_frame) {
      std::memcpy(row + begin * count, from, (end - begin) * count * sizeof(float));
    } else {
      for (ptrdiff_t x = begin; x < end; ++x, from += channels.of_frame) {
        std::memcpy(row + x * count, from, count * sizeof(float));
      }
    }
    std::fill_n(row + end * count, (kColumns - end) * count, 0.0f);
  }
  return {scratch, row_floats, count};
}

// Transforms a patch into v[product][channel], `v_stride` floats from product to product. Returns
// false if the patch has a value above kLargestTransformed or a NaN. Writes up to kLanes - 1 zeros
// past the last channel.
template <WinogradVariant kVariant>
bool TransformPatch(const Patch& patch, size_t channels, float* v, size_t v_stride) {
  using Rows = WinogradAxis<kVariant.rows, kVariant.taps>;
  using Columns = WinogradAxis<kVariant.columns, kVariant.taps>;
  const Tag d;
  const hn::RebindToSigned<Tag> di;
  // As integers, magnitudes compare like floats and NaN is the largest.
  auto magnitude = hn::Zero(di);
  for (size_t channel = 0; channel < channels; channel += kLanes) {
    const bool tail = channel + kLanes > channels;
    const auto mask = hn::FirstN(d, channels - channel);
    Vector half[Rows::kPoints][Columns::kPoints];
    CONVLSTM_UNROLL
    for (size_t x = 0; x < Columns::kPoints; ++x) {
      Vector inputs[Rows::kPoints], products[Rows::kPoints];
      const float* from = patch.data + x * patch.pixel_stride + channel;
      CONVLSTM_UNROLL
      for (size_t y = 0; y < Rows::kPoints; ++y) {
        const float* pixel = from + y * patch.row_stride;
        inputs[y] = HWY_UNLIKELY(tail) ? hn::MaskedLoad(mask, d, pixel) : hn::LoadU(d, pixel);
        magnitude = hn::Max(magnitude, hn::BitCast(di, hn::Abs(inputs[y])));
      }
      TransformInput<Rows>(d, inputs, products);
      CONVLSTM_UNROLL
      for (size_t y = 0; y < Rows::kPoints; ++y) half[y][x] = products[y];
    }
    CONVLSTM_UNROLL
    for (size_t y = 0; y < Rows::kPoints; ++y) {
      Vector products[Columns::kPoints];
      TransformInput<Columns>(d, half[y], products);
      float* to = v + y * Columns::kPoints * v_stride + channel;
      CONVLSTM_UNROLL
      for (size_t x = 0; x < Columns::kPoints; ++x, to += v_stride) {
        hn::StoreU(products[x], d, to);
      }
    }
  }
  const auto limit = hn::BitCast(di, hn::Set(d, kLargestTransformed));
  return hn::AllFalse(di, hn::Gt(magnitude, limit));
}

// sums[pixel][row] = bias[row] + the output transform of m[product][row], `m_stride` floats from
// product to product.
template <WinogradVariant kVariant>
void TransformProducts(const float* m, size_t m_stride, const float* bias, float* sums) {
  using Rows = WinogradAxis<kVariant.rows, kVariant.taps>;
  using Columns = WinogradAxis<kVariant.columns, kVariant.taps>;
  const Tag d;
  for (size_t q = 0; q < 4; ++q, m += kLanes, bias += kLanes, sums += kLanes) {
    Vector half[Rows::kOutputs][Columns::kPoints];
    CONVLSTM_UNROLL
    for (size_t x = 0; x < Columns::kPoints; ++x) {
      Vector products[Rows::kPoints], outputs[Rows::kOutputs];
      CONVLSTM_UNROLL
      for (size_t y = 0; y < Rows::kPoints; ++y) {
        products[y] = hn::Load(d, m + (y * Columns::kPoints + x) * m_stride);
      }
      TransformOutput<Rows>(d, products, outputs);
      CONVLSTM_UNROLL
      for (size_t y = 0; y < Rows::kOutputs; ++y) half[y][x] = outputs[y];
    }
    const auto offset = hn::Load(d, bias);
    CONVLSTM_UNROLL
    for (size_t y = 0; y < Rows::kOutputs; ++y) {
      Vector outputs[Columns::kOutputs];
      TransformOutput<Columns>(d, half[y], outputs);
      CONVLSTM_UNROLL
      for (size_t x = 0; x < Columns::kOutputs; ++x) {
        hn::Store(hn::Add(offset, outputs[x]), d, sums + (y * Columns::kOutputs + x) * kRow);
      }
    }
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_PATCH_INL_H_
