#include "cpu/convolution/conv2d.h"

#include <doctest/doctest.h>

#include <string>
#include <variant>

#include "core/error.h"
#include "cpu/convolution/conv2d_backward.h"
#include "operations.h"
#include "operations/check_case.h"

namespace convlstm {
namespace {

// Converts row-major elements to channels-last frames.
void PutAsFrames(StoragePtr& storage, int64_t frames, int64_t channels) {
  const int64_t pixels = frames == 0 ? 0 : storage->elements() / (frames * channels);
  storage = ChannelsLastStorage(Elements(*storage), {frames, channels, pixels});
}

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("conv2d and its gradients take channels-last operands") {
    Cases cases;
    AddConv2dCases(cases);
    for (OperationCase& test : cases) {
      if (auto* forward = std::get_if<Conv2d>(&test.operation)) {
        PutAsFrames(forward->inputs.x, forward->shape.batch, forward->shape.in_channels);
      } else {
        auto& backward = std::get<Conv2dBackward>(test.operation);
        const Conv2dShape& s = backward.forward.shape;
        PutAsFrames(backward.forward.inputs.x, s.batch, s.in_channels);
        PutAsFrames(backward.grad, s.batch, s.out_channels);
      }
      CheckCase(cpu::CpuEngine(), test);
    }
  }

  TEST_CASE("weights packed for one precision do not serve another") {
    cpu::ThreadPool pool(2);
    const Conv2dShape s = {1, 16, 24, 24, 64, 5, 5, 1, 1, 2, 2, 1, 1};
    const auto x = RandomValues(16 * 24 * 24), weight = RandomValues(64 * 16 * 25, 0.1f);
    const auto run = [&](const StoragePtr& weights, Precision precision) {
      return Values(*RunOnCpu(Conv2d{s, {RowMajorStorage(x), weights}, precision}, pool).out, pool);
    };
    const StoragePtr shared = RowMajorStorage(weight);
    for (const Precision precision :
         {Precision::kHighest, Precision::kHigh, Precision::kMedium, Precision::kHighest}) {
      CHECK(run(shared, precision) == run(RowMajorStorage(weight), precision));
    }
    CHECK(run(shared, Precision::kHighest) != run(shared, Precision::kHigh));
    Conv2dShape small = s;
    small.height = small.width = 1;
    RunOnCpu(Conv2d{small, {RowMajorStorage(RandomValues(16)), shared}}, pool);
    CHECK(run(shared, Precision::kHighest) == run(RowMajorStorage(weight), Precision::kHighest));
  }

  TEST_CASE("the result's gradient and the weight may be one storage") {
    cpu::ThreadPool pool(2);
    const Conv2dShape s = {1, 4, 6, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1};
    const auto x = RandomValues(144), both = RandomValues(144);
    const auto gradients = [&](const StoragePtr& weight, const StoragePtr& grad) {
      const Conv2d forward = {s, {RowMajorStorage(x), weight}};
      const Conv2dGradients wanted =
          RunOnCpu(Conv2dBackward{forward, grad, {.bias = false}}, pool).gradients;
      return std::vector{Values(*wanted.x, pool), Values(*wanted.weight, pool)};
    };
    // The weight is converted to rows while the gradient's frames are in use.
    const StoragePtr frames = ChannelsLastStorage(both, {1, 4, 36});
    CHECK(gradients(frames, frames) == gradients(RowMajorStorage(both), RowMajorStorage(both)));
  }

  TEST_CASE("conv2d refuses shapes that do not match") {
    const auto storage = [](int64_t count) { return std::make_shared<Storage>(count); };
    const auto code = [](const Conv2dShape& shape, const Conv2dInputs& inputs) {
      try {
        Conv2d{shape, inputs}.Check();
      } catch (const Error& error) {
        return std::string(NameOf(error.code()));
      }
      return std::string("none");
    };
    const Conv2dShape shape = {1, 2, 4, 4, 3, 3, 3, 1, 1, 0, 0, 1, 1};
    CHECK(code(shape, {storage(32), storage(54), nullptr}) == "none");
    CHECK(code(shape, {storage(31), storage(54), nullptr}) == "ERR_SHAPE");
    CHECK(code(shape, {storage(32), storage(53), nullptr}) == "ERR_SHAPE");
    CHECK(code(shape, {storage(32), storage(54), storage(2)}) == "ERR_SHAPE");
    Conv2dShape changed = shape;
    changed.dilation_x = 2;
    CHECK(code(changed, {storage(32), storage(54), nullptr}) == "ERR_SHAPE");
    changed = shape;
    changed.stride_y = 0;
    CHECK(code(changed, {storage(32), storage(54), nullptr}) == "ERR_SHAPE");
    changed = shape;
    changed.padding_x = int64_t{1} << 60;
    CHECK(code(changed, {storage(32), storage(54), nullptr}) == "ERR_SHAPE");
  }
}

}  // namespace convlstm
