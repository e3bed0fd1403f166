// The elementwise operations, reductions, slices and conv2d of the CUDA engine against the CPU's.
#include "operations.h"

#include <doctest/doctest.h>

#include <string>
#include <variant>
#include <vector>

#include "core/error.h"
#include "cpu/engine.h"
#include "cuda/engines.h"
#include "on_engine.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

// Both engines on the same operands.
template <typename Operation>
void CheckLikeCpu(const std::vector<std::vector<float>>& values, int64_t elements, double tolerance,
                  const Operation& operation) {
  std::vector<std::vector<float>> results;
  for (Engine* engine : {&cpu::CpuEngine(), &EngineOf(0)}) {
    std::vector<StoragePtr> operands;
    for (const std::vector<float>& v : values) operands.push_back(Uploaded(*engine, v));
    const StoragePtr out = New(*engine, elements);
    OnQueue(*engine, [&] { operation(*engine, operands, *out); });
    results.push_back(Downloaded(*engine, out));
  }
  CHECK(LargestError(results[1], results[0]) <= tolerance);
}
using StoragePtrs = std::vector<StoragePtr>;

TEST_CASE("operations: as the CPU's") {
  const std::vector<float> a = RandomValues(3 * 5 * 7 * 9), row = RandomValues(9);
  CheckLikeCpu({}, 1000, 0, [](Engine& e, const StoragePtrs&, Storage& out) { e.Fill(1.5f, out); });
  for (const UnaryOp op :
       {UnaryOp::kNeg, UnaryOp::kAbs, UnaryOp::kExp, UnaryOp::kSigmoid, UnaryOp::kTanh,
        UnaryOp::kRelu, UnaryOp::kLeakyRelu, UnaryOp::kSquare, UnaryOp::kSoftplus}) {
    CheckLikeCpu(
        {a}, static_cast<int64_t>(a.size()), 1e-5,
        [op](Engine& e, const StoragePtrs& x, Storage& out) { e.Unary(op, *x[0], 0.1f, out); });
  }
  for (const BinaryOp op : {BinaryOp::kAdd, BinaryOp::kSub, BinaryOp::kMul, BinaryOp::kMaximum,
                            BinaryOp::kMinimum, BinaryOp::kGreater, BinaryOp::kEqual}) {
    const BinaryShapes shapes = {{3, 5, 7, 9}, {9}, {3, 5, 7, 9}};
    CheckLikeCpu({a, row}, static_cast<int64_t>(a.size()), 1e-6,
                 [&](Engine& e, const StoragePtrs& x, Storage& out) {
                   e.Binary(op, shapes, *x[0], *x[1], out);
                 });
  }
  for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMean, ReduceOp::kMax}) {
    for (const std::vector<int64_t>& axes :
         {std::vector<int64_t>{}, {1, 3}, {0, 1, 2, 3}, {0}, {3}}) {
      const Reduction reduction = {op, {3, 5, 7, 9}, axes};
      CheckLikeCpu(
          {a}, NumElements(reduction.output()), 1e-4,
          [&](Engine& e, const StoragePtrs& x, Storage& out) { e.Reduce(reduction, *x[0], out); });
    }
  }
  CheckLikeCpu({a}, static_cast<int64_t>(a.size()), 0,
               [](Engine& e, const StoragePtrs& x, Storage& out) {
                 e.Permute({{3, 5, 7, 9}, {2, 0, 3, 1}}, *x[0], out);
               });
  CheckLikeCpu({a}, 2 * 2 * 4 * 3, 0, [](Engine& e, const StoragePtrs& x, Storage& out) {
    e.TakeSlice({{3, 5, 7, 9}, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}}, *x[0], out);
  });
  const std::vector<float> slab = RandomValues(3 * 5 * 9);
  CheckLikeCpu({a, slab}, static_cast<int64_t>(a.size() + slab.size()), 0,
               [&](Engine& e, const StoragePtrs& x, Storage& out) {
                 e.Concatenate({{{3, 5, 7, 9}, {3, 5, 1, 9}}, 2}, {x[0], x[1]}, out);
               });
}

TEST_CASE("masks, gradients, optimizers: as the CPU's") {
  const std::vector<float> x = RandomValues(2 * 4 * 6 * 5 * 7),
                           grad = RandomValues(2 * 4 * 6 * 5 * 7);
  const auto count = static_cast<int64_t>(x.size());
  CheckLikeCpu({}, 1003, 0, [](Engine& e, const StoragePtrs&, Storage& out) {
    e.FillBernoulli({0.3, 2.5f, 7, 0x80000000, 0xfffffffe}, out);
  });
  for (int op = 0; op <= static_cast<int>(UnaryOp::kSoftplus); ++op) {
    CheckLikeCpu({x, grad}, count, op == static_cast<int>(UnaryOp::kLog) ? 0.1 : 1e-5,
                 [op](Engine& e, const StoragePtrs& in, Storage& out) {
                   e.UnaryBackward(UnaryOp(op), *in[0], *in[1], 0.1f, out);
                 });
  }
  const Slice strided = {{3, 5, 7, 9}, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}};
  CheckLikeCpu({RandomValues(NumElements(strided.sizes))}, NumElements(strided.shape), 0,
               [&](Engine& e, const StoragePtrs& in, Storage& out) {
                 e.SliceBackward(strided, *in[0], out);
               });
  for (const OptimizerOptions& options :
       {OptimizerOptions(SgdOptions{0.1, 0.9, 0.1, true, 0.01}),
        OptimizerOptions(RmspropOptions{0.01, 0.9, 1e-3, 0.9, 0.1}),
        OptimizerOptions(AdamOptions{2, 0.01, 0.9, 0.999, 1e-8, 0.1, false})}) {
    std::vector<float> squares = RandomValues(count);
    for (float& value : squares) value *= value;
    const bool sgd = std::holds_alternative<SgdOptions>(options);
    for (int result = 0; result < (sgd ? 2 : 3); ++result) {
      CheckLikeCpu(
          {x, grad, squares, squares}, count, 1e-5,
          [&](Engine& e, const StoragePtrs& in, Storage& out) {
            OptimizerState after = {New(e, count), {New(e, count), New(e, count)}};
            if (sgd) after.slots[1] = nullptr;
            e.OptimizerStep(options, *in[1], {in[0], {in[2], sgd ? nullptr : in[3]}}, after);
            out.ShareElements(result == 0 ? *after.parameter : *after.slots[result - 1]);
          });
    }
  }
}

TEST_CASE("slices of frames are moved as they lie") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(2, 4, 3, 5, 6, 7, 3, 3));
  const Operands operands(gpu, test);
  const int64_t frame = 5 * 6 * 7;
  const ConvLstmOutputs outputs = {New(gpu, 8 * frame), New(gpu, 2 * frame), New(gpu, 2 * frame)};
  const StoragePtr taken = New(gpu, 4 * frame), back = New(gpu, 8 * frame);
  const Slice slice = {{2, 4, 5, 6, 7}, {0, 1, 0, 0, 0}, {2, 2, 5, 6, 7}, {1, 2, 1, 1, 1}};
  OnQueue(gpu, [&] {
    gpu.ConvLstm(test.shape, operands.inputs, Precision::kHighest, outputs);
    gpu.TakeSlice(slice, *outputs.output, *taken);
    gpu.SliceBackward(slice, *taken, *back);
  });
  CHECK(taken->channels_last());
  CHECK(back->channels_last());
  std::vector<float> expected = Downloaded(gpu, outputs.output);
  for (int64_t k = 0; k < static_cast<int64_t>(expected.size()); ++k) {
    if (k / frame % 4 % 2 == 0) expected[k] = 0;
  }
  CHECK(Downloaded(gpu, back) == expected);
}

TEST_CASE("conv2d: as the CPU's") {
  for (const Conv2dShape& s : {Conv2dShape{2, 5, 9, 11, 7, 3, 2, 2, 1, 1, 0, 1, 2},
                               Conv2dShape{1, 64, 32, 32, 130, 1, 1, 1, 1, 0, 0, 1, 1},
                               Conv2dShape{3, 16, 20, 20, 24, 5, 5, 1, 1, 2, 2, 1, 1}}) {
    const std::vector<float> x = RandomValues(s.batch * s.in_channels * s.height * s.width);
    const std::vector<float> weight =
        RandomValues(s.out_channels * s.in_channels * s.kernel_height * s.kernel_width, 0.1f);
    CheckLikeCpu({x, weight, RandomValues(s.out_channels)}, NumElements(s.output()), 2e-5,
                 [&](Engine& e, const StoragePtrs& in, Storage& out) {
                   e.Conv2d(s, {in[0], in[1], in[2]}, out);
                 });
  }
}

TEST_CASE("conv2d: more channels than a pixel may have are refused before anything is touched") {
  Engine& gpu = EngineOf(0);
  const Conv2dShape shape = {1, (int64_t{1} << 29) + 4, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1};
  const StoragePtr x = New(gpu, shape.in_channels), weight = New(gpu, shape.in_channels);
  const StoragePtr out = New(gpu, 1);
  try {
    OnQueue(gpu, [&] { gpu.Conv2d(shape, {x, weight, nullptr}, *out); });
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kShape);
    CHECK(std::string(error.what()) == "cuda:0: conv2d of more than 2^31 pixels or 2^29 channels");
  }
}

}  // namespace
}  // namespace convlstm::cuda
