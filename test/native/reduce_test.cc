#include "cpu/tensor/reduce.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "operations.h"

namespace convlstm {
namespace {

std::vector<float> Run(const Reduce& reduction, int threads) {
  cpu::ThreadPool pool(threads);
  return Values(*RunOnCpu(reduction, pool).out, pool);
}

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("reductions have the same bits with any number of threads") {
    const Reduce reductions[] = {{{}, {}, {8, 20, 30, 40}, {0, 2, 3}},
                                 {{}, {}, {5, 1300}, {0}},
                                 {{}, {}, {300001}, {0}},
                                 {{}, {}, {3, 70001}, {1}},
                                 {{}, {}, {70001, 3}, {0}}};
    for (Reduce reduction : reductions) {
      CAPTURE(ToString(reduction.shape));
      const std::vector<float> x = RandomValues(NumElements(reduction.shape));
      reduction.x = RowMajorStorage(x);
      for (const auto& [op, name] : kNames<ReduceOp>) {
        reduction.op = op;
        CHECK(Run(reduction, 1) == Run(reduction, 3));
      }
      double sum = 0, total = 0;
      for (const float value : x) sum += value;
      reduction.op = ReduceOp::kSum;
      for (const float value : Run(reduction, 3)) total += value;
      CHECK(std::abs(total - sum) < 1e-6 * static_cast<double>(x.size()));
    }
  }

  TEST_CASE("a sum of all elements keeps the layout of the operand") {
    const std::vector<float> x = RandomValues(2 * 3 * 20);
    const StoragePtr frames = ChannelsLastStorage(x, {2, 3, 20});
    cpu::ThreadPool pool(2);
    const Reduce sum = {ReduceOp::kSum, frames, {2, 3, 4, 5}, {0, 1, 2, 3}};
    const StoragePtr out = RunOnCpu(sum, pool).out;
    CHECK(frames->channels_last());
    const float of_rows = Run({ReduceOp::kSum, RowMajorStorage(x), {120}, {0}}, 2)[0];
    CHECK(out->data()[0] == doctest::Approx(of_rows).epsilon(1e-6));
  }

  TEST_CASE("a NaN at any place reaches the maximum") {
    for (const int64_t place : {0, 5, 31, 32, 39999}) {
      std::vector<float> x = RandomValues(40000);
      x[place] = std::numeric_limits<float>::quiet_NaN();
      CHECK(std::isnan(Run({ReduceOp::kMax, RowMajorStorage(x), {40000}, {0}}, 2)[0]));
      CHECK(std::isnan(Run({ReduceOp::kMax, RowMajorStorage(x), {200, 200}, {0}}, 2)[place % 200]));
    }
  }

  TEST_CASE("reductions of empty axes") {
    CHECK(Run({ReduceOp::kSum, RowMajorStorage({}), {0, 2}, {0}}, 2) == std::vector<float>{0, 0});
    CHECK(std::isnan(Run({ReduceOp::kMean, RowMajorStorage({}), {0}, {0}}, 2)[0]));
    CHECK(Run({ReduceOp::kMax, RowMajorStorage({}), {0, 2}, {1}}, 2).empty());
    CHECK_THROWS_AS(Run({ReduceOp::kMax, RowMajorStorage({}), {0, 2}, {0}}, 2), Error);
    CHECK_THROWS_AS(Run({ReduceOp::kSum, RowMajorStorage({1, 2}), {2}, {1}}, 2), Error);
    CHECK_THROWS_AS(Run({ReduceOp::kSum, RowMajorStorage({1, 2}), {1, 2}, {1, 0}}, 2), Error);
  }
}

}  // namespace convlstm
