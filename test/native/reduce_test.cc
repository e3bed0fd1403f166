#include "cpu/tensor/reduce.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "operations.h"

namespace convlstm {
namespace {

std::vector<double> Reference(const Reduce& reduction, const std::vector<float>& x) {
  const Shape kept = reduction.out_shape();
  const bool is_max = reduction.op == ReduceOp::kMax;
  std::vector<double> totals(NumElements(kept),
                             is_max ? -std::numeric_limits<double>::infinity() : 0.0);
  ForEachPlace(reduction.shape, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> to;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      if (!reduction.reduces(axis)) to.push_back(at[axis]);
    }
    double& total = totals[OffsetOf(kept, to)];
    const double value = x[OffsetOf(reduction.shape, at)];
    total = is_max ? std::max(total, value) : total + value;
  });
  if (reduction.op == ReduceOp::kMean) {
    for (double& total : totals) {
      total /= static_cast<double>(x.size()) / static_cast<double>(totals.size());
    }
  }
  return totals;
}

std::vector<float> Run(const Reduce& reduction, int threads) {
  cpu::ThreadPool pool(threads);
  return Values(*RunOnCpu(reduction, pool).out, pool);
}

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("reductions agree with float64, whatever the number of threads") {
    struct Case {
      Shape shape;
      std::vector<int64_t> axes;
    };
    const Case cases[] = {{{}, {}},
                          {{7}, {}},
                          {{7}, {0}},
                          {{3, 5}, {0}},
                          {{3, 5}, {1}},
                          {{2, 3, 4, 5}, {1, 3}},
                          {{2, 3, 4, 5}, {0, 2}},
                          {{8, 20, 30, 40}, {0, 2, 3}},
                          {{5, 1300}, {0}},
                          {{300001}, {0}},
                          {{3, 70001}, {1}},
                          {{70001, 3}, {0}},
                          {{2, 1, 3, 1, 2, 3, 1, 2}, {0, 2, 5, 7}}};
    for (const Case& test : cases) {
      const std::vector<float> x = RandomValues(NumElements(test.shape));
      for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMean, ReduceOp::kMax}) {
        const Reduce reduction = {op, RowMajorStorage(x), test.shape, test.axes};
        const std::vector<float> values = Run(reduction, 1);
        CHECK(values == Run(reduction, 3));
        const std::vector<double> expected = Reference(reduction, x);
        REQUIRE(values.size() == expected.size());
        for (size_t k = 0; k < values.size(); ++k) {
          CHECK(std::abs(values[k] - expected[k]) <= 1e-6 * std::max(1.0, std::abs(expected[k])));
        }
      }
    }
  }

  TEST_CASE("a sum of everything leaves the operand as it lies") {
    const std::vector<float> x = RandomValues(2 * 3 * 20);
    const StoragePtr frames = ChannelsLastStorage(x, {2, 3, 20});
    cpu::ThreadPool pool(2);
    const Reduce sum = {ReduceOp::kSum, frames, {2, 3, 4, 5}, {0, 1, 2, 3}};
    const StoragePtr out = RunOnCpu(sum, pool).out;
    CHECK(frames->channels_last());
    CHECK(out->data()[0] ==
          doctest::Approx(Reference({ReduceOp::kSum, nullptr, {120}, {0}}, x)[0]).epsilon(1e-6));
  }

  TEST_CASE("a NaN reaches the maximum from any place") {
    for (const int64_t place : {0, 5, 31, 32, 39999}) {
      std::vector<float> x = RandomValues(40000);
      x[place] = std::numeric_limits<float>::quiet_NaN();
      CHECK(std::isnan(Run({ReduceOp::kMax, RowMajorStorage(x), {40000}, {0}}, 2)[0]));
      CHECK(std::isnan(Run({ReduceOp::kMax, RowMajorStorage(x), {200, 200}, {0}}, 2)[place % 200]));
    }
  }

  TEST_CASE("reductions of nothing") {
    CHECK(Run({ReduceOp::kSum, RowMajorStorage({}), {0, 2}, {0}}, 2) == std::vector<float>{0, 0});
    CHECK(std::isnan(Run({ReduceOp::kMean, RowMajorStorage({}), {0}, {0}}, 2)[0]));
    CHECK(Run({ReduceOp::kMax, RowMajorStorage({}), {0, 2}, {1}}, 2).empty());
    CHECK_THROWS_AS(Run({ReduceOp::kMax, RowMajorStorage({}), {0, 2}, {0}}, 2), Error);
    CHECK_THROWS_AS(Run({ReduceOp::kSum, RowMajorStorage({1, 2}), {2}, {1}}, 2), Error);
    CHECK_THROWS_AS(Run({ReduceOp::kSum, RowMajorStorage({1, 2}), {1, 2}, {1, 0}}, 2), Error);
  }
}

}  // namespace convlstm
