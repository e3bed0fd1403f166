#include <algorithm>

#include "cuda/device/launch.cuh"
#include "cuda/tensor/bernoulli.cuh"
#include "cuda/tensor/elementwise.cuh"
#include "cuda/tensor/layout.h"
#include "cuda/tensor/operations.h"
#include "cuda/tensor/rearrange.cuh"
#include "cuda/tensor/reduce.cuh"

namespace convlstm::cuda {
namespace {

float* AllocateLike(const Storage& x, Storage& out) {
  return x.channels_last() ? out.AllocateChannelsLast(x.layout()) : out.Allocate();
}

bool SameLayout(const Storage& a, const Storage& b) {
  return a.channels_last() == b.channels_last() && (!a.channels_last() || a.layout() == b.layout());
}

// Row-major strides of a shape.
std::vector<int64_t> RowMajorStrides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t elements = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = elements;
    elements *= shape[axis];
  }
  return strides;
}

// Strides of an operand of `shape` broadcast to `out`, aligned at the last axis; 0 where it is
// repeated.
Strides BroadcastStrides(const Shape& shape, const Shape& out) {
  const std::vector<int64_t> strides = RowMajorStrides(shape);
  Strides result;
  for (size_t axis = 0; axis < out.size(); ++axis) {
    const size_t missing = out.size() - shape.size();
    const bool broadcast = axis < missing || shape[axis - missing] == 1;
    result.Add(out[axis], broadcast ? 0 : strides[axis - missing]);
  }
  return result;
}

// Whether a slice takes whole channels-last frames, which are then copied without a conversion. `x`
// is the sliced tensor or the slice.
bool TakesFrames(const Slice& slice, const Storage& x) {
  if (!x.channels_last() || x.elements() == 0) return false;
  int64_t run = 1;
  for (size_t axis = slice.shape.size(); axis-- > 0;) {
    if (slice.sizes[axis] != slice.shape[axis]) break;
    run *= slice.shape[axis];
  }
  return run % (x.layout().channels * x.layout().pixels) == 0;
}

// Allocates `out`, row-major or, with `frames`, with the frames of `x`.
float* Allocate(bool frames, const Storage& x, Storage& out) {
  if (!frames) return out.Allocate();
  const auto& [_, channels, pixels] = x.layout();
  return out.AllocateChannelsLast({out.elements() / (channels * pixels), channels, pixels});
}

Strides Contiguous(int64_t elements) {
  Strides strides;
  strides.Add(elements, 1);
  return strides;
}

}  // namespace

void Fill(Device& device, float value, Storage& out) {
  float* to = out.Allocate();
  LaunchStrided(device, "FillElements", FillElements, out.elements(), value, to, out.elements());
}

void FillBernoulli(Device& device, const Bernoulli& bernoulli, Storage& out) {
  float* to = out.Allocate();
  LaunchStrided(device, "BernoulliElements", BernoulliElements, (out.elements() + 3) / 4, bernoulli,
                bernoulli.threshold(), to, out.elements());
}

void Unary(Device& device, UnaryOp op, Storage& x, float alpha, Storage& out) {
  float* to = AllocateLike(x, out);
  LaunchStrided(device, "UnaryElements", UnaryElements, x.elements(), op, x.data(), alpha, to,
                x.elements());
}

void UnaryBackward(Device& device, UnaryOp op, Storage& saved, Storage& grad, float alpha,
                   Storage& out) {
  if (!SameLayout(saved, grad)) {
    RowMajor(device, saved);
    RowMajor(device, grad);
  }
  float* to = AllocateLike(grad, out);
  LaunchStrided(device, "UnaryBackwardElements", UnaryBackwardElements, out.elements(), op,
                saved.data(), grad.data(), alpha, to, out.elements());
}

void Binary(Device& device, BinaryOp op, const BinaryShapes& shapes, Storage& a, Storage& b,
            Storage& out) {
  // The memory layout does not matter without broadcasting, or with a single element.
  const bool whole_a = a.elements() == out.elements(), whole_b = b.elements() == out.elements();
  if ((whole_a && b.elements() == 1) || (whole_b && a.elements() == 1) ||
      (whole_a && whole_b && SameLayout(a, b))) {
    float* to = AllocateLike(whole_a ? a : b, out);
    LaunchStrided(device, "BinaryElements", BinaryElements, out.elements(), op, a.data(), whole_a,
                  b.data(), whole_b, to, out.elements());
    return;
  }
  const float* from_a = RowMajor(device, a);
  const float* from_b = RowMajor(device, b);
  LaunchStrided(device, "BinaryBroadcast", BinaryBroadcast, out.elements(), op, from_a,
                BroadcastStrides(shapes.a, shapes.out), from_b,
                BroadcastStrides(shapes.b, shapes.out), out.Allocate(), out.elements());
}

void Move(Device& device, const float* in, const Strides& from, float* out, const Strides& to) {
  LaunchStrided(device, "MoveElements", MoveElements, from.elements(), in, from, out, to,
                from.elements());
}

void Permute(Device& device, const Permutation& permutation, Storage& x, Storage& out) {
  const float* in = RowMajor(device, x);
  const std::vector<int64_t> strides = RowMajorStrides(permutation.shape);
  Strides from;
  for (const int64_t axis : permutation.order) from.Add(permutation.shape[axis], strides[axis]);
  Move(device, in, from, out.Allocate(), Contiguous(out.elements()));
}

void TakeSlice(Device& device, const Slice& slice, Storage& x, Storage& out) {
  const bool frames = TakesFrames(slice, x);
  const float* in = frames ? x.data() : RowMajor(device, x);
  const std::vector<int64_t> strides = RowMajorStrides(slice.shape);
  Strides from;
  for (size_t axis = 0; axis < slice.shape.size(); ++axis) {
    from.Add(slice.sizes[axis], slice.steps[axis] * strides[axis]);
    from.first += slice.starts[axis] * strides[axis];
  }
  Move(device, in, from, Allocate(frames, x, out), Contiguous(out.elements()));
}

void SliceBackward(Device& device, const Slice& slice, Storage& grad, Storage& out) {
  const bool frames = TakesFrames(slice, grad);
  const float* in = frames ? grad.data() : RowMajor(device, grad);
  SlicedAxes sliced;
  for (size_t axis = 0; axis < slice.shape.size(); ++axis) {
    sliced.Add({slice.shape[axis], slice.starts[axis], slice.steps[axis], slice.sizes[axis]});
  }
  LaunchStrided(device, "SliceBackwardElements", SliceBackwardElements, out.elements(), in, sliced,
                Allocate(frames, grad, out), out.elements());
}

void Concatenate(Device& device, const Concatenation& concatenation,
                 const std::vector<StoragePtr>& parts, Storage& out) {
  // Each part is `length` contiguous elements of every row of the result.
  const Shape& shape = concatenation.shapes.front();
  int64_t rows = 1;
  for (int64_t axis = 0; axis < concatenation.axis; ++axis) rows *= shape[axis];
  float* to = out.Allocate();
  int64_t begin = 0;
  for (const StoragePtr& part : parts) {
    const int64_t length = rows == 0 ? 0 : part->elements() / rows;
    Strides slots;
    slots.Add(rows, rows == 0 ? 0 : out.elements() / rows);
    slots.Add(length, 1);
    slots.first = begin;
    Move(device, RowMajor(device, *part), Contiguous(part->elements()), to, slots);
    begin += length;
  }
}

void Reduce(Device& device, const Reduction& reduction, Storage& x, Storage& out) {
  const float* in = RowMajor(device, x);
  float* to = out.Allocate();
  const int64_t output_count = out.elements();
  if (output_count == 0) return;
  const std::vector<int64_t> strides = RowMajorStrides(reduction.shape);
  Strides outputs, reduced;
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    (reduction.reduces(axis) ? reduced : outputs).Add(reduction.shape[axis], strides[axis]);
  }
  const int64_t count = reduced.elements();
  // Enough slices to fill the device, each with work for all threads of a block.
  constexpr int64_t kMinLength = 16 * kReduceThreads, kMaxSlices = 1024, kMaxGrid = 65535;
  const int64_t slices =
      std::clamp<int64_t>(std::min(count / kMinLength, kMaxSlices / output_count), 1, kMaxSlices);
  const Buffer partial = device.AllocateArray<double>(output_count * slices);
  const bool max = reduction.op == ReduceOp::kMax;
  Launch(
      device, "ReducePart", ReducePart,
      dim3(static_cast<unsigned>(slices), static_cast<unsigned>(std::min(output_count, kMaxGrid))),
      dim3(kReduceThreads), kReduceThreads / 32 * static_cast<int>(sizeof(double)), max, in,
      outputs, reduced, output_count, count, partial.as<double>());
  const double divisor = reduction.op == ReduceOp::kMean ? static_cast<double>(count) : 1.0;
  LaunchStrided(device, "ReduceSlices", ReduceSlices, output_count, max, partial.as<double>(),
                slices, divisor, to, output_count);
}

}  // namespace convlstm::cuda
