// The CUDA engine's operations against float64.
#include "operations.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "cuda/engines.h"
#include "on_engine.h"
#include "operations/check_case.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

TEST_CASE("operations: all cases on a GPU") { CheckAllCases(EngineOf(0)); }

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
