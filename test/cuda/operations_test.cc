// The elementwise operations, reductions, slices and conv2d of the CUDA engine against the CPU's.
#include "operations.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "cpu/engine.h"
#include "cuda/engines.h"
#include "on_engine.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

// Both engines on the same operands: make(operands) is the operation.
template <typename Make>
void CheckLikeCpu(const std::vector<std::vector<float>>& values, double tolerance,
                  const Make& make) {
  std::vector<std::vector<float>> results[2];
  for (const int k : {0, 1}) {
    Engine& engine = k == 0 ? cpu::CpuEngine() : EngineOf(0);
    std::vector<StoragePtr> operands;
    for (const std::vector<float>& v : values) operands.push_back(Uploaded(engine, v));
    auto op = RunOn(engine, make(operands));
    op.VisitResults([&](const char*, const StoragePtr& result, const std::optional<Shape>&) {
      if (result != nullptr) results[k].push_back(Downloaded(engine, result));
    });
  }
  REQUIRE(results[0].size() == results[1].size());
  for (size_t k = 0; k < results[0].size(); ++k) {
    CHECK(LargestError(results[1][k], results[0][k]) <= tolerance);
  }
}
using StoragePtrs = std::vector<StoragePtr>;

TEST_CASE("operations: as the CPU's") {
  const Shape shape = {3, 5, 7, 9};
  const std::vector<float> a = RandomValues(3 * 5 * 7 * 9), row = RandomValues(9);
  CheckLikeCpu({}, 0, [](const StoragePtrs&) { return Fill{1000, 1.5f}; });
  for (const auto& [op, name] : kNames<UnaryOp>) {
    if (op == UnaryOp::kLog || op == UnaryOp::kSqrt) continue;  // of negative numbers
    CAPTURE(std::string(name));
    CheckLikeCpu({a}, 1e-5, [op = op](const StoragePtrs& x) { return Unary{op, x[0], 0.1f}; });
  }
  for (const auto& [op, name] : kNames<BinaryOp>) {
    if (op == BinaryOp::kDiv) continue;  // by almost nothing
    CAPTURE(std::string(name));
    CheckLikeCpu({a, row}, 1e-6, [&, op = op](const StoragePtrs& x) {
      return Binary{op, x[0], shape, x[1], {9}, shape};
    });
  }
  for (const auto& [op, name] : kNames<ReduceOp>) {
    for (const std::vector<int64_t>& axes :
         {std::vector<int64_t>{}, {1, 3}, {0, 1, 2, 3}, {0}, {3}}) {
      CAPTURE(std::string(name));
      CheckLikeCpu({a}, 1e-4, [&, op = op](const StoragePtrs& x) {
        return Reduce{op, x[0], shape, axes};
      });
    }
  }
  CheckLikeCpu({a}, 0, [&](const StoragePtrs& x) { return Permute{x[0], shape, {2, 0, 3, 1}}; });
  CheckLikeCpu({a}, 0, [&](const StoragePtrs& x) {
    return Slice{x[0], {shape, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}}};
  });
  CheckLikeCpu({a, RandomValues(3 * 5 * 9)}, 0, [&](const StoragePtrs& x) {
    return Concat{x, {shape, {3, 5, 1, 9}}, 2};
  });
}

TEST_CASE("masks, gradients, optimizers: as the CPU's") {
  const std::vector<float> x = RandomValues(2 * 4 * 6 * 5 * 7),
                           grad = RandomValues(2 * 4 * 6 * 5 * 7);
  CheckLikeCpu({}, 0, [](const StoragePtrs&) {
    return Bernoulli{1003, {0.3, 2.5f, 7, 0x80000000, 0xfffffffe}};
  });
  for (const auto& [op, name] : kNames<UnaryOp>) {
    CAPTURE(std::string(name));
    CheckLikeCpu({x, grad}, op == UnaryOp::kLog ? 0.1 : 1e-5, [op = op](const StoragePtrs& in) {
      return UnaryBackward{op, in[0], in[1], 0.1f};
    });
  }
  const SliceBounds strided = {{3, 5, 7, 9}, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}};
  CheckLikeCpu({RandomValues(NumElements(strided.sizes))}, 0, [&](const StoragePtrs& in) {
    return SliceBackward{in[0], strided};
  });
  std::vector<float> squares = RandomValues(static_cast<int64_t>(x.size()));
  for (float& value : squares) value *= value;
  const std::vector<std::vector<float>> state = {x, grad, squares, squares};
  CheckLikeCpu(state, 1e-5, [](const StoragePtrs& in) {
    return SgdStep{{0.1, 0.9, 0.1, true, 0.01}, in[1], {in[0], {in[2]}}};
  });
  CheckLikeCpu(state, 1e-5, [](const StoragePtrs& in) {
    return RmspropStep{{0.01, 0.9, 1e-3, 0.9, 0.1}, in[1], {in[0], {in[2], in[3]}}};
  });
  CheckLikeCpu(state, 1e-5, [](const StoragePtrs& in) {
    return AdamStep{{2, 0.01, 0.9, 0.999, 1e-8, 0.1, false}, in[1], {in[0], {in[2], in[3]}}};
  });
}

TEST_CASE("slices of frames are moved as they lie") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(2, 4, 3, 5, 6, 7, 3, 3));
  const Operands operands(gpu, test);
  const int64_t frame = 5 * 6 * 7;
  const SliceBounds slice = {{2, 4, 5, 6, 7}, {0, 1, 0, 0, 0}, {2, 2, 5, 6, 7}, {1, 2, 1, 1, 1}};
  const StoragePtr output = RunOn(gpu, ConvLstm{{test.shape, operands.inputs}}).outputs.output;
  const StoragePtr taken = RunOn(gpu, Slice{output, slice}).out;
  const StoragePtr back = RunOn(gpu, SliceBackward{taken, slice}).out;
  CHECK(taken->channels_last());
  CHECK(back->channels_last());
  std::vector<float> expected = Downloaded(gpu, output);
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
    CheckLikeCpu({x, weight, RandomValues(s.out_channels)}, 2e-5, [&](const StoragePtrs& in) {
      return Conv2d{s, {in[0], in[1], in[2]}};
    });
  }
}

TEST_CASE("conv2d: more channels than a pixel may have are refused before anything is touched") {
  Engine& gpu = EngineOf(0);
  const Conv2dShape shape = {1, (int64_t{1} << 29) + 4, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1};
  const StoragePtr x = New(gpu, shape.in_channels), weight = New(gpu, shape.in_channels);
  try {
    RunOn(gpu, Conv2d{shape, {x, weight}});
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kShape);
    CHECK(std::string(error.what()) == "cuda:0: conv2d of more than 2^31 pixels or 2^29 channels");
  }
}

}  // namespace
}  // namespace convlstm::cuda
