#include "cpu/tensor/rearrange.h"

#include <algorithm>

#include "cpu/frames/layout.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

// Whether runs of `run` elements consist of whole channels-last frames.
bool HoldsFrames(const Storage& storage, int64_t run) {
  const ChannelsLast& layout = storage.layout();
  return storage.channels_last() && run > 0 && run % (layout.channels * layout.pixels) == 0;
}

float* AllocateFrames(const Storage& like, Storage& out) {
  ChannelsLast layout = like.layout();
  layout.frames = out.elements() / (layout.channels * layout.pixels);
  return out.AllocateChannelsLast(layout);
}

// The contiguous runs of a slice: the trailing axes that are taken whole and the part of the axis
// before them, where its step is 1. Runs along the innermost outer axis form a row, at a constant
// distance in the source.
class SliceRuns {
 public:
  // `slice` is not empty.
  explicit SliceRuns(const SliceBounds& slice) : slice_(slice), strides_(slice.shape.size()) {
    for (size_t axis = strides_.size(); axis-- > 0;) {
      strides_[axis] = elements_;
      elements_ *= slice.shape[axis];
      first_ += slice.starts[axis] * strides_[axis];
    }
    outer_rank_ = strides_.size();
    while (outer_rank_ > 0 && length_ == strides_[outer_rank_ - 1] &&
           (slice.steps[outer_rank_ - 1] == 1 || slice.sizes[outer_rank_ - 1] == 1)) {
      length_ *= slice.sizes[--outer_rank_];
    }
    if (outer_rank_ > 0) {
      row_ = slice.sizes[outer_rank_ - 1];
      distance_ = slice.steps[outer_rank_ - 1] * strides_[outer_rank_ - 1];
    }
  }

  int64_t length() const { return length_; }      // elements of a run
  int64_t distance() const { return distance_; }  // elements from run to run of a row
  int64_t count() const { return NumElements(slice_.sizes) / length_; }

  // Whether runs and the source consist of whole frames of `size` elements.
  bool MadeOf(int64_t size) const {
    bool whole = length_ % size == 0 && first_ % size == 0 && elements_ % size == 0;
    for (size_t axis = 0; axis < outer_rank_; ++axis) whole = whole && strides_[axis] % size == 0;
    return whole;
  }

  // Calls visit(run, count, place) for the rows of `range`: `count` runs from index `run` on, the
  // first at offset `place` of the source.
  template <typename Visitor>
  void ForRows(Range range, const Visitor& visit) const {
    for (int64_t run = range.begin; run < range.end;) {
      const int64_t end = std::min(range.end, (run / row_ + 1) * row_);
      visit(run, end - run, Place(run));
      run = end;
    }
  }

 private:
  int64_t Place(int64_t run) const {
    int64_t place = first_ + run % row_ * distance_;
    int64_t rest = run / row_;
    for (size_t axis = outer_rank_ > 0 ? outer_rank_ - 1 : 0; axis-- > 0;) {
      place += rest % slice_.sizes[axis] * slice_.steps[axis] * strides_[axis];
      rest /= slice_.sizes[axis];
    }
    return place;
  }

  const SliceBounds& slice_;
  std::vector<int64_t> strides_;
  size_t outer_rank_;
  int64_t elements_ = 1;
  int64_t first_ = 0;
  int64_t length_ = 1;
  int64_t row_ = 1;
  int64_t distance_ = 0;
};

bool HoldsFrames(const Storage& storage, const SliceRuns& runs) {
  return storage.channels_last() &&
         runs.MadeOf(storage.layout().channels * storage.layout().pixels);
}

}  // namespace

void Run(ThreadPool& pool, const Slice& op) {
  Storage &x = *op.x, &out = *op.out;
  if (out.elements() == 0) {
    out.Allocate();
    return;
  }
  const SliceRuns runs(op.bounds);
  const bool frames = HoldsFrames(x, runs);
  const float* from = frames ? x.data() : RowMajor(x, pool);
  float* to = frames ? AllocateFrames(x, out) : out.Allocate();
  const int64_t length = runs.length(), distance = runs.distance();
  ParallelFor(pool, runs.count(), length, [&](Range range) {
    runs.ForRows(range, [&](int64_t run, int64_t count, int64_t place) {
      for (int64_t k = 0; k < count; ++k) {
        if (length == 1) {
          to[run + k] = from[place + k * distance];
        } else {
          std::copy_n(from + place + k * distance, length, to + (run + k) * length);
        }
      }
    });
  });
}

void Run(ThreadPool& pool, const SliceBackward& op) {
  Storage &grad = *op.grad, &out = *op.out;
  if (grad.elements() == 0) {
    float* to = out.Allocate();
    std::fill_n(to, out.elements(), 0.0f);
    return;
  }
  const SliceRuns runs(op.bounds);
  const bool frames = HoldsFrames(grad, runs);
  const float* from = frames ? grad.data() : RowMajor(grad, pool);
  float* to = frames ? AllocateFrames(grad, out) : out.Allocate();
  ForLines(pool, out.elements(),
           [&](int64_t begin, int64_t count) { std::fill_n(to + begin, count, 0.0f); });
  const int64_t length = runs.length(), distance = runs.distance();
  ParallelFor(pool, runs.count(), length, [&](Range range) {
    runs.ForRows(range, [&](int64_t run, int64_t count, int64_t place) {
      for (int64_t k = 0; k < count; ++k) {
        if (length == 1) {
          to[place + k * distance] = from[run + k];
        } else {
          std::copy_n(from + (run + k) * length, length, to + place + k * distance);
        }
      }
    });
  });
}

void Run(ThreadPool& pool, const Concat& op) {
  const std::vector<StoragePtr>& parts = op.parts;
  Storage& out = *op.out;
  // A row of the result is one run of each part.
  const Shape& shape = op.shapes.front();
  int64_t rows = 1, inner = 1;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (static_cast<int64_t>(axis) < op.axis) rows *= shape[axis];
    if (static_cast<int64_t>(axis) > op.axis) inner *= shape[axis];
  }
  struct Run {
    const float* from;
    int64_t length;
    int64_t offset;
  };
  bool frames = true;
  const ChannelsLast& first = parts.front()->layout();
  int64_t row_length = 0;
  std::vector<Run> runs;
  for (size_t k = 0; k < parts.size(); ++k) {
    const Storage& part = *parts[k];
    const int64_t length = op.shapes[k][op.axis] * inner;
    frames = frames && HoldsFrames(part, length) && part.layout().channels == first.channels &&
             part.layout().pixels == first.pixels;
    runs.push_back({nullptr, length, row_length});
    row_length += length;
  }
  for (size_t k = 0; k < parts.size(); ++k) {
    runs[k].from = frames ? parts[k]->data() : RowMajor(*parts[k], pool);
  }
  float* to = frames ? AllocateFrames(*parts.front(), out) : out.Allocate();
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
