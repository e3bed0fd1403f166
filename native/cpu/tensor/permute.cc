#include <algorithm>
#include <vector>

#include "cpu/frames/layout.h"
#include "cpu/tensor/rearrange.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

// An axis of the result with its strides in x and in the result.
struct Axis {
  int64_t size;
  int64_t in_stride;
  int64_t out_stride;
};

// The axes of the result, outermost first; neighbours that are neighbours in x are merged.
std::vector<Axis> ResultAxes(const Permute& permutation) {
  const size_t rank = permutation.shape.size();
  std::vector<int64_t> in_strides(rank);
  int64_t elements = 1;
  for (size_t axis = rank; axis-- > 0;) {
    in_strides[axis] = elements;
    elements *= permutation.shape[axis];
  }
  std::vector<Axis> axes;
  for (const int64_t axis : permutation.order) {
    const int64_t size = permutation.shape[axis], stride = in_strides[axis];
    if (size == 1) continue;
    if (!axes.empty() && axes.back().in_stride == size * stride) {
      axes.back().size *= size;
      axes.back().in_stride = stride;
    } else {
      axes.push_back({size, stride, 0});
    }
  }
  if (axes.empty()) axes.push_back({1, 1, 1});
  elements = 1;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    axis->out_stride = elements;
    elements *= axis->size;
  }
  return axes;
}

struct Offsets {
  int64_t in = 0;
  int64_t out = 0;
};

Offsets OffsetsOf(const std::vector<Axis>& axes, int64_t index) {
  Offsets offsets;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    const int64_t at = index % axis->size;
    index /= axis->size;
    offsets.in += at * axis->in_stride;
    offsets.out += at * axis->out_stride;
  }
  return offsets;
}

int64_t Product(const std::vector<Axis>& axes) {
  int64_t product = 1;
  for (const Axis& axis : axes) product *= axis.size;
  return product;
}

}  // namespace

// Copies runs where x and the result share their innermost axis. Else the innermost axes of x and
// of the result span a matrix, which is transposed in tiles for each index of the other axes.
void Run(ThreadPool& pool, const Permute& op) {
  const float* from = RowMajor(*op.x, pool);
  float* to = op.out->Allocate();
  if (op.x->elements() == 0) return;
  std::vector<Axis> others = ResultAxes(op);
  const Axis out_inner = others.back();
  others.pop_back();
  if (out_inner.in_stride == 1) {
    ParallelFor(pool, Product(others), out_inner.size, [&](Range range) {
      for (int64_t k = range.begin; k < range.end; ++k) {
        const Offsets at = OffsetsOf(others, k);
        std::copy_n(from + at.in, out_inner.size, to + at.out);
      }
    });
    return;
  }
  const auto found = std::find_if(others.begin(), others.end(),
                                  [](const Axis& axis) { return axis.in_stride == 1; });
  const Axis in_inner = *found;
  others.erase(found);
  const int64_t row_tiles = (out_inner.size + kTransposeTile - 1) / kTransposeTile;
  const int64_t column_tiles = (in_inner.size + kTransposeTile - 1) / kTransposeTile;
  const int64_t tiles = row_tiles * column_tiles;
  const int64_t tile_elements = std::max<int64_t>(1, out_inner.size * in_inner.size / tiles);
  ParallelFor(pool, Product(others) * tiles, tile_elements, [&](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) {
      const Offsets at = OffsetsOf(others, k / tiles);
      const int64_t row = k % tiles / column_tiles * kTransposeTile;
      const int64_t column = k % column_tiles * kTransposeTile;
      TransposeTile(std::min(kTransposeTile, out_inner.size - row),
                    std::min(kTransposeTile, in_inner.size - column),
                    from + at.in + row * out_inner.in_stride + column, out_inner.in_stride,
                    to + at.out + column * in_inner.out_stride + row, in_inner.out_stride);
    }
  });
}

}  // namespace convlstm::cpu
