#include "cpu/frames/layout.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cpu/threads/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/frames/layout.cc"
#include "cpu/simd/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Lanes 4k to 4k + 3 are in[4k * stride + 0..3].
template <class D>
HWY_INLINE hn::Vec<D> LoadQuads(D d, const float* in, int64_t stride) {
  constexpr int64_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes == 4) {
    return hn::LoadU(d, in);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadQuads(half, in + kLanes / 2 * stride, stride),
                       LoadQuads(half, in, stride));
  }
}

// tile[column][row] = in[row][column] for N rows and 4 columns, N the lanes of D.
template <class D>
HWY_INLINE void TransposeQuads(D d, const float* in, int64_t stride, float* tile) {
  const hn::Repartition<double, D> d64;
  const auto row0 = LoadQuads(d, in, stride);
  const auto row1 = LoadQuads(d, in + stride, stride);
  const auto row2 = LoadQuads(d, in + 2 * stride, stride);
  const auto row3 = LoadQuads(d, in + 3 * stride, stride);
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, row0, row1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, row2, row3));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, row0, row1));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, row2, row3));
  const auto store = [&](int column, auto v) {
    hn::StoreU(hn::BitCast(d, v), d, tile + column * kTransposeTile);
  };
  store(0, hn::InterleaveLower(d64, low01, low23));
  store(1, hn::InterleaveUpper(d64, low01, low23));
  store(2, hn::InterleaveLower(d64, high01, high23));
  store(3, hn::InterleaveUpper(d64, high01, high23));
}

// Transposes by way of a 64 x 64 tile on the stack, 16 KiB, which is stored in runs of 256 bytes.
// Rows of an image are often a power of two apart and share one set of L1, which would evict
// half-written lines. The detour takes a channels-last 64 x 64 x 64 frame to rows in 59 us instead
// of 110, and a 480 x 480 x 64 one to channels-last in 12.2 ms instead of 18.
void TransposeTile(int64_t rows, int64_t columns, const float* in, int64_t in_stride, float* out,
                   int64_t out_stride) {
  // Eight lanes are as fast as sixteen: memory bandwidth is the limit.
  const hn::CappedTag<float, 8> d;
  constexpr int64_t kRows = hn::MaxLanes(d);
  HWY_ALIGN float tile[kTransposeTile * kTransposeTile];
  const int64_t whole_rows = rows / kRows * kRows;
  const int64_t whole_columns = columns / 4 * 4;
  for (int64_t r = 0; r < whole_rows; r += kRows) {
    for (int64_t c = 0; c < whole_columns; c += 4) {
      TransposeQuads(d, in + r * in_stride + c, in_stride, tile + c * kTransposeTile + r);
    }
  }
  const auto copy = [&](int64_t row_begin, int64_t column_begin, int64_t column_end) {
    for (int64_t c = column_begin; c < column_end; ++c) {
      for (int64_t r = row_begin; r < rows; ++r) {
        tile[c * kTransposeTile + r] = in[r * in_stride + c];
      }
    }
  };
  copy(whole_rows, 0, whole_columns);
  copy(0, whole_columns, columns);
  for (int64_t c = 0; c < columns; ++c) {
    std::memcpy(out + c * out_stride, tile + c * kTransposeTile, rows * sizeof(float));
  }
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

void TransposeTile(int64_t rows, int64_t columns, const float* in, int64_t in_stride, float* out,
                   int64_t out_stride) {
  CONVLSTM_SIMD(CurrentIsa(), TransposeTile)(rows, columns, in, in_stride, out, out_stride);
}

void TransposeFrames(int64_t frames, int64_t rows, int64_t columns, const float* in, float* out,
                     ThreadPool& pool) {
  const int64_t row_tiles = (rows + kTransposeTile - 1) / kTransposeTile;
  const int64_t column_tiles = (columns + kTransposeTile - 1) / kTransposeTile;
  const int64_t tiles = frames * row_tiles * column_tiles;
  ParallelFor(pool, tiles, rows * columns / std::max<int64_t>(1, row_tiles * column_tiles),
              [&](Range range) {
                for (int64_t t = range.begin; t < range.end; ++t) {
                  const int64_t column = t % column_tiles * kTransposeTile;
                  const int64_t row = t / column_tiles % row_tiles * kTransposeTile;
                  const int64_t frame = t / (column_tiles * row_tiles) * rows * columns;
                  TransposeTile(std::min(kTransposeTile, rows - row),
                                std::min(kTransposeTile, columns - column),
                                in + frame + row * columns + column, columns,
                                out + frame + column * rows + row, rows);
                }
              });
}

const float* RowMajor(Storage& storage, ThreadPool& pool) {
  storage.ThrowIfFailed();
  if (storage.channels_last()) {
    Buffer rows = Buffer::Allocate(storage.bytes());
    CopyRowMajor(storage, rows.as<float>(), pool);
    storage.ReplaceByRowMajor(std::move(rows));
  }
  return storage.data();
}

void CopyRowMajor(const Storage& storage, float* out, ThreadPool& pool) {
  const float* in = storage.data();
  if (storage.channels_last()) {
    const ChannelsLast& layout = storage.layout();
    TransposeFrames(layout.frames, layout.pixels, layout.channels, in, out, pool);
    return;
  }
  ParallelFor(pool, storage.elements(), 1,
              [&](Range range) { std::copy(in + range.begin, in + range.end, out + range.begin); });
}

}  // namespace convlstm::cpu
#endif
