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
bool TakesFrames(const SliceBounds& slice, const Storage& x) {
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

void Run(Device& device, const Fill& op) {
  float* to = op.out->Allocate();
  LaunchStrided(device, "FillElements", FillElements, op.length, op.value, to, op.length);
}

void Run(Device& device, const Bernoulli& op) {
  float* to = op.out->Allocate();
  LaunchStrided(device, "BernoulliElements", BernoulliElements, (op.length + 3) / 4, op.mask,
                op.mask.threshold(), to, op.length);
}

void Run(Device& device, const Unary& op) {
  float* to = AllocateLike(*op.x, *op.out);
  LaunchStrided(device, "UnaryElements", UnaryElements, op.x->elements(), op.op, op.x->data(),
                op.alpha, to, op.x->elements());
}

void Run(Device& device, const UnaryBackward& op) {
  Storage &saved = *op.saved, &grad = *op.grad, &out = *op.out;
  if (!SameLayout(saved, grad)) {
    RowMajor(device, saved);
    RowMajor(device, grad);
  }
  float* to = AllocateLike(grad, out);
  LaunchStrided(device, "UnaryBackwardElements", UnaryBackwardElements, out.elements(), op.op,
                saved.data(), grad.data(), op.alpha, to, out.elements());
}

void Run(Device& device, const Binary& op) {
  Storage &a = *op.a, &b = *op.b, &out = *op.out;
  // The memory layout does not matter without broadcasting, or with a single element.
  const bool whole_a = a.elements() == out.elements(), whole_b = b.elements() == out.elements();
  if ((whole_a && b.elements() == 1) || (whole_b && a.elements() == 1) ||
      (whole_a && whole_b && SameLayout(a, b))) {
    float* to = AllocateLike(whole_a ? a : b, out);
    LaunchStrided(device, "BinaryElements", BinaryElements, out.elements(), op.op, a.data(),
                  whole_a, b.data(), whole_b, to, out.elements());
    return;
  }
  const float* from_a = RowMajor(device, a);
  const float* from_b = RowMajor(device, b);
  LaunchStrided(device, "BinaryBroadcast", BinaryBroadcast, out.elements(), op.op, from_a,
                BroadcastStrides(op.a_shape, op.out_shape), from_b,
                BroadcastStrides(op.b_shape, op.out_shape), out.Allocate(), out.elements());
}

void Move(Device& device, const float* in, const Strides& from, float* out, const Strides& to) {
  LaunchStrided(device, "MoveElements", MoveElements, from.elements(), in, from, out, to,
                from.elements());
}

void Run(Device& device, const Permute& op) {
  const float* in = RowMajor(device, *op.x);
  const std::vector<int64_t> strides = RowMajorStrides(op.shape);
  Strides from;
  for (const int64_t axis : op.order) from.Add(op.shape[axis], strides[axis]);
  Move(device, in, from, op.out->Allocate(), Contiguous(op.out->elements()));
}

void Run(Device& device, const Slice& op) {
  const SliceBounds& slice = op.bounds;
  Storage &x = *op.x, &out = *op.out;
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

void Run(Device& device, const SliceBackward& op) {
  const SliceBounds& slice = op.bounds;
  Storage &grad = *op.grad, &out = *op.out;
  const bool frames = TakesFrames(slice, grad);
  const float* in = frames ? grad.data() : RowMajor(device, grad);
  SlicedAxes sliced;
  for (size_t axis = 0; axis < slice.shape.size(); ++axis) {
    sliced.Add({slice.shape[axis], slice.starts[axis], slice.steps[axis], slice.sizes[axis]});
  }
  LaunchStrided(device, "SliceBackwardElements", SliceBackwardElements, out.elements(), in, sliced,
                Allocate(frames, grad, out), out.elements());
}

void Run(Device& device, const Concat& op) {
  // Each part is `length` contiguous elements of every row of the result.
  const Shape& shape = op.shapes.front();
  int64_t rows = 1;
  for (int64_t axis = 0; axis < op.axis; ++axis) rows *= shape[axis];
  Storage& out = *op.out;
  float* to = out.Allocate();
  int64_t begin = 0;
  for (const StoragePtr& part : op.parts) {
    const int64_t length = rows == 0 ? 0 : part->elements() / rows;
    Strides slots;
    slots.Add(rows, rows == 0 ? 0 : out.elements() / rows);
    slots.Add(length, 1);
    slots.first = begin;
    Move(device, RowMajor(device, *part), Contiguous(part->elements()), to, slots);
    begin += length;
  }
}

void Run(Device& device, const Reduce& op) {
  const float* in = RowMajor(device, *op.x);
  float* to = op.out->Allocate();
  const int64_t output_count = op.out->elements();
  if (output_count == 0) return;
  const std::vector<int64_t> strides = RowMajorStrides(op.shape);
  Strides outputs, reduced;
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    (op.reduces(axis) ? reduced : outputs).Add(op.shape[axis], strides[axis]);
  }
  const int64_t count = reduced.elements();
  // Enough slices to fill the device, each with work for all threads of a block.
  constexpr int64_t kMinLength = 16 * kReduceThreads, kMaxSlices = 1024, kMaxGrid = 65535;
  const int64_t slices =
      std::clamp<int64_t>(std::min(count / kMinLength, kMaxSlices / output_count), 1, kMaxSlices);
  const Buffer partial = device.AllocateArray<double>(output_count * slices);
  const bool max = op.op == ReduceOp::kMax;
  Launch(
      device, "ReducePart", ReducePart,
      dim3(static_cast<unsigned>(slices), static_cast<unsigned>(std::min(output_count, kMaxGrid))),
      dim3(kReduceThreads), kReduceThreads / 32 * static_cast<int>(sizeof(double)), max, in,
      outputs, reduced, output_count, count, partial.as<double>());
  const double divisor = op.op == ReduceOp::kMean ? static_cast<double>(count) : 1.0;
  LaunchStrided(device, "ReduceSlices", ReduceSlices, output_count, max, partial.as<double>(),
                slices, divisor, to, output_count);
}

}  // namespace convlstm::cuda
