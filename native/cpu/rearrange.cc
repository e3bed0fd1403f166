#include "cpu/rearrange.h"

#include <algorithm>

#include "cpu/layout.h"
#include "cpu/parallel_for.h"

namespace convlstm::cpu {
namespace {

// Whether runs of `run` elements hold whole frames, however those are laid out.
bool HoldsFrames(const Storage& storage, int64_t run) {
  const ChannelsLast& layout = storage.layout();
  return storage.channels_last() && run > 0 && run % (layout.channels * layout.pixels) == 0;
}

float* AllocateFrames(const Storage& like, Storage& out) {
  ChannelsLast layout = like.layout();
  layout.frames = out.elements() / (layout.channels * layout.pixels);
  return out.AllocateChannelsLast(layout);
}

}  // namespace

void TakeSlice(const Slice& slice, Storage& x, Storage& out, ThreadPool& pool) {
  if (x.bounded_by_one()) out.set_bounded_by_one();
  if (out.elements() == 0) {
    out.Allocate();
    return;
  }
  // A run is what is taken at once: the axes at the end that are taken whole and the part of the
  // one before them, when it has no gaps.
  const size_t rank = slice.shape.size();
  std::vector<int64_t> strides(rank);
  int64_t elements = 1;
  for (size_t axis = rank; axis-- > 0;) {
    strides[axis] = elements;
    elements *= slice.shape[axis];
  }
  int64_t run = 1;
  size_t outer_rank = rank;
  while (outer_rank > 0 && run == strides[outer_rank - 1] &&
         (slice.steps[outer_rank - 1] == 1 || slice.sizes[outer_rank - 1] == 1)) {
    run *= slice.sizes[--outer_rank];
  }
  int64_t first = 0;
  bool frames = HoldsFrames(x, run);
  for (size_t axis = 0; axis < rank; ++axis) {
    first += slice.starts[axis] * strides[axis];
    frames = frames &&
             (axis >= outer_rank || strides[axis] % (x.layout().channels * x.layout().pixels) == 0);
  }
  frames = frames && first % (x.layout().channels * x.layout().pixels) == 0;
  const float* from = (frames ? x.data() : RowMajor(x, pool)) + first;
  float* to = frames ? AllocateFrames(x, out) : out.Allocate();

  // Along the innermost of the other axes runs follow each other at one distance.
  const int64_t count = outer_rank == 0 ? 1 : slice.sizes[outer_rank - 1];
  const int64_t distance =
      outer_rank == 0 ? 0 : slice.steps[outer_rank - 1] * strides[outer_rank - 1];
  const int64_t rows = out.elements() / (run * count);
  const auto row_begin = [&](int64_t row) {
    int64_t offset = 0;
    for (size_t axis = outer_rank > 0 ? outer_rank - 1 : 0; axis-- > 0;) {
      offset += row % slice.sizes[axis] * slice.steps[axis] * strides[axis];
      row /= slice.sizes[axis];
    }
    return from + offset;
  };
  ParallelFor(pool, rows * count, run, [&](Range range) {
    for (int64_t k = range.begin; k < range.end;) {
      const float* in = row_begin(k / count) + k % count * distance;
      const int64_t end = std::min(range.end, (k / count + 1) * count);
      for (; k < end; ++k, in += distance) {
        if (run == 1) {
          to[k] = *in;
        } else {
          std::copy_n(in, run, to + k * run);
        }
      }
    }
  });
}

void Concatenate(const Concatenation& concatenation, const std::vector<StoragePtr>& parts,
                 Storage& out, ThreadPool& pool) {
  // Each part gives one run of elements after another to every row of the result.
  const Shape& shape = concatenation.shapes.front();
  int64_t rows = 1, inner = 1;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (static_cast<int64_t>(axis) < concatenation.axis) rows *= shape[axis];
    if (static_cast<int64_t>(axis) > concatenation.axis) inner *= shape[axis];
  }
  struct Run {
    const float* from;
    int64_t length;
    int64_t offset;
  };
  bool bounded = true, frames = true;
  const ChannelsLast& first = parts.front()->layout();
  int64_t row_length = 0;
  std::vector<Run> runs;
  for (size_t k = 0; k < parts.size(); ++k) {
    const Storage& part = *parts[k];
    const int64_t length = concatenation.shapes[k][concatenation.axis] * inner;
    bounded = bounded && part.bounded_by_one();
    frames = frames && HoldsFrames(part, length) && part.layout().channels == first.channels &&
             part.layout().pixels == first.pixels;
    runs.push_back({nullptr, length, row_length});
    row_length += length;
  }
  for (size_t k = 0; k < parts.size(); ++k) {
    runs[k].from = frames ? parts[k]->data() : RowMajor(*parts[k], pool);
  }
  float* to = frames ? AllocateFrames(*parts.front(), out) : out.Allocate();
  if (bounded) out.set_bounded_by_one();
  const int64_t count = static_cast<int64_t>(runs.size());
  ParallelFor(
      pool, rows * count, out.elements() / std::max<int64_t>(1, rows * count), [&](Range range) {
        for (int64_t k = range.begin; k < range.end; ++k) {
          const Run& run = runs[k % count];
          const int64_t row = k / count;
          std::copy_n(run.from + row * run.length, run.length, to + row * row_length + run.offset);
        }
      });
}

}  // namespace convlstm::cpu
