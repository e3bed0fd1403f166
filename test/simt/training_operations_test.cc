// The kernels of gradients, masks and optimizers against the CPU's operations, on the host.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cpu/tensor/bernoulli.h"
#include "cpu/tensor/elementwise.h"
#include "cpu/tensor/optimizers.h"
#include "cpu/tensor/rearrange.h"
#include "cuda/tensor/bernoulli.cuh"
#include "cuda/tensor/elementwise.cuh"
#include "cuda/tensor/optimizers.cuh"
#include "cuda/tensor/rearrange.cuh"
#include "operations.h"

namespace convlstm::cuda {
namespace {

constexpr dim3 kGrid = {2}, kBlock = {32};

// Relative, but for what is near 0; both may be NaN.
double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    if (a[k] == b[k] || (std::isnan(a[k]) && std::isnan(b[k]))) continue;
    const double difference = std::fabs(double(a[k]) - b[k]) / std::max(1.0f, std::fabs(b[k]));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

TEST_CASE("gradients of elementwise operations: as the CPU's, at 0 and NaN as well") {
  cpu::ThreadPool pool(1);
  for (const int64_t count : {1, 33, 1001}) {
    std::vector<float> saved = RandomValues(count), grad = RandomValues(count);
    saved[0] = 0;
    if (count > 4) {
      saved[1] = -0.0f;
      saved[2] = std::numeric_limits<float>::quiet_NaN();
      grad[3] = std::numeric_limits<float>::quiet_NaN();
    }
    for (const auto& [op, name] : kNames<UnaryOp>) {
      std::vector<float> out(count, NAN);
      simt::Launch(UnaryBackwardElements, kGrid, kBlock, 0, op, saved.data(), grad.data(), 0.1f,
                   out.data(), count);
      const UnaryBackward call = {op, RowMajorStorage(saved), RowMajorStorage(grad), 0.1f};
      CAPTURE(std::string(name));
      CHECK(LargestDifference(out, Values(*RunOnCpu(call, pool).out, pool)) < 1e-6);
    }
  }
}

TEST_CASE("gradients of slices: every place once, gaps are zeros") {
  cpu::ThreadPool pool(1);
  const std::vector<SliceBounds> slices = {
      {{7}, {2}, {5}, {1}},
      {{7}, {1}, {2}, {4}},
      {{7}, {3}, {0}, {1}},
      {{3, 5, 7, 9}, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}},
      {{2, 6, 3, 4}, {0, 1, 0, 0}, {2, 3, 3, 4}, {1, 2, 1, 1}},
      {{2, 6, 3, 4}, {0, 2, 0, 0}, {2, 3, 3, 4}, {1, 1, 1, 1}},  // all but the first merge
      {{2, 1, 1, 3, 2, 1, 2, 2},
       {0, 0, 0, 0, 0, 0, 1, 0},
       {2, 1, 1, 2, 2, 1, 1, 2},
       {1, 1, 1, 2, 1, 1, 1, 1}},
      {{}, {}, {}, {}}};
  for (const SliceBounds& slice : slices) {
    const std::vector<float> grad = RandomValues(NumElements(slice.sizes));
    SlicedAxes sliced;
    for (size_t axis = 0; axis < slice.shape.size(); ++axis) {
      sliced.Add({slice.shape[axis], slice.starts[axis], slice.steps[axis], slice.sizes[axis]});
    }
    const int64_t count = NumElements(slice.shape);
    std::vector<float> out(count, NAN);
    simt::Launch(SliceBackwardElements, kGrid, kBlock, 0, grad.data(), sliced, out.data(), count);
    const SliceBackward call = {RowMajorStorage(grad), slice};
    CHECK(out == Values(*RunOnCpu(call, pool).out, pool));
  }
}

TEST_CASE("random masks have the CPU's bits") {
  cpu::ThreadPool pool(1);
  for (const int64_t count : {1, 3, 4, 5, 257, 1023}) {
    for (const BernoulliMask& b :
         {BernoulliMask{0.5, 2.0f, 1, 2, 0},
          BernoulliMask{0.9, 1 / 0.9f, 0xffffffff, 0x80000000, 0xfffffffa},
          BernoulliMask{1e-3, -1.0f, 7, 0, uint64_t{1} << 52}, BernoulliMask{0, 3.0f, 5, 6, 7},
          BernoulliMask{1, 3.0f, 5, 6, 7}}) {
      std::vector<float> out(count, NAN);
      simt::Launch(BernoulliElements, kGrid, kBlock, 0, b, b.threshold(), out.data(), count);
      CHECK(out == Values(*RunOnCpu(Bernoulli{count, b}, pool).out, pool));
    }
  }
}

// Three steps of both, each from its own results.
template <typename Options, typename Kernel>
double LargestDifference(Kernel kernel, Options options) {
  cpu::ThreadPool pool(1);
  constexpr int64_t kCount = 77;
  std::vector<float> parameter = RandomValues(kCount);
  std::vector<float> slots[2];
  OptimizerState before = {RowMajorStorage(parameter), {}};
  double largest = 0;
  for (int step = 1; step <= 3; ++step) {
    if constexpr (requires { options.step; }) options.step = step;
    const std::vector<float> grad = RandomValues(kCount);
    std::vector<float> next(kCount, NAN), next_slots[2];
    OptimizerArrays arrays = {parameter.data(), grad.data(), {}, next.data(), {}};
    const OptimizerStep<Options> call = {options, RowMajorStorage(grad), before};
    const OptimizerState after = RunOnCpu(call, pool).after;
    for (int k = 0; k < 2; ++k) {
      if (after.slots[k] == nullptr) continue;
      next_slots[k].assign(kCount, NAN);
      arrays.next_slots[k] = next_slots[k].data();
      if (!slots[k].empty()) arrays.slots[k] = slots[k].data();
    }
    simt::Launch(kernel, kGrid, kBlock, 0, FactorsOf(options), arrays, kCount);
    largest = std::max(largest, LargestDifference(next, Values(*after.parameter, pool)));
    for (int k = 0; k < 2; ++k) {
      if (after.slots[k] == nullptr) continue;
      largest = std::max(largest, LargestDifference(next_slots[k], Values(*after.slots[k], pool)));
      slots[k] = next_slots[k];
    }
    parameter = next;
    before = after;
  }
  return largest;
}

TEST_CASE("optimizers: as the CPU's") {
  for (const SgdOptions& o :
       {SgdOptions{0.1, 0, 0, false, 0.1}, SgdOptions{0.1, 0.9, 0.3, false, 0},
        SgdOptions{0.1, 0.9, 0, true, 0.01}}) {
    CHECK(LargestDifference(SgdElements, o) < 1e-6);
  }
  for (const RmspropOptions& o :
       {RmspropOptions{0.01, 0.99, 1e-8, 0, 0}, RmspropOptions{0.01, 0.9, 1e-3, 0.9, 0.1}}) {
    CHECK(LargestDifference(RmspropElements, o) < 1e-6);
  }
  for (const bool decoupled : {false, true}) {
    const AdamOptions o = {1, 0.01, 0.9, 0.999, 1e-8, 0.1, decoupled};
    CHECK(LargestDifference(AdamElements, o) < 1e-6);
  }
}

}  // namespace
}  // namespace convlstm::cuda
