#include "cpu/tensor/optimizers.h"

#include <doctest/doctest.h>

#include <cmath>

#include "operations.h"

namespace convlstm {
namespace {

constexpr int64_t kCount = 40003;  // several threads' parts, and a tail

StoragePtr Empty() { return std::make_shared<Storage>(kCount); }

// Each state of the optimizer in double, beside the storage under test.
struct State {
  std::vector<double> exact = std::vector<double>(kCount);
  StoragePtr storage;

  void Start() {
    const std::vector<float> values = RandomValues(kCount);
    exact.assign(values.begin(), values.end());
    storage = RowMajorStorage(values);
  }
  double Error(cpu::ThreadPool& pool) const {
    const std::vector<float> values = Values(*storage, pool);
    double worst = 0;
    for (int64_t k = 0; k < kCount; ++k) worst = std::max(worst, std::abs(values[k] - exact[k]));
    return worst;
  }
};

std::vector<float> Gradient(StoragePtr& storage) {
  const std::vector<float> values = RandomValues(kCount);
  storage = RowMajorStorage(values);
  return values;
}

constexpr int kSteps = 5;

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("SGD steps") {
    cpu::ThreadPool pool(3);
    for (const SgdOptions& o :
         {SgdOptions{0.1, 0, 0, false, 0}, SgdOptions{0.1, 0.9, 0, false, 0.01},
          SgdOptions{0.1, 0.9, 0.3, false, 0}, SgdOptions{0.1, 0.9, 0, true, 0.1}}) {
      State p, buffer;
      p.Start();
      for (int step = 0; step < kSteps; ++step) {
        StoragePtr grad;
        const std::vector<float> g = Gradient(grad);
        for (int64_t k = 0; k < kCount; ++k) {
          const double d = g[k] + o.weight_decay * p.exact[k];
          buffer.exact[k] = step == 0 ? d : o.momentum * buffer.exact[k] + (1 - o.dampening) * d;
          const double nesterov = d + o.momentum * buffer.exact[k];
          p.exact[k] -= o.lr * (o.momentum == 0 ? d : o.nesterov ? nesterov : buffer.exact[k]);
        }
        const OptimizerState after =
            RunOnCpu(SgdStep{o, grad, {p.storage, {buffer.storage}}}, pool).after;
        p.storage = after.parameter;
        buffer.storage = after.slots[0];
      }
      CHECK(p.Error(pool) < 2e-6);
      if (o.momentum != 0) CHECK(buffer.Error(pool) < 4e-6);
    }
  }

  TEST_CASE("RMSprop steps") {
    cpu::ThreadPool pool(3);
    for (const RmspropOptions& o :
         {RmspropOptions{0.01, 0.99, 1e-8, 0, 0}, RmspropOptions{0.01, 0.9, 1e-3, 0.9, 0.1}}) {
      State p, square, buffer;
      p.Start();
      for (int step = 0; step < kSteps; ++step) {
        StoragePtr grad;
        const std::vector<float> g = Gradient(grad);
        for (int64_t k = 0; k < kCount; ++k) {
          const double d = g[k] + o.weight_decay * p.exact[k];
          square.exact[k] = o.alpha * square.exact[k] + (1 - o.alpha) * d * d;
          buffer.exact[k] = o.momentum * buffer.exact[k] + d / (std::sqrt(square.exact[k]) + o.eps);
          p.exact[k] -= o.lr * buffer.exact[k];
        }
        const OptimizerState after =
            RunOnCpu(RmspropStep{o, grad, {p.storage, {square.storage, buffer.storage}}}, pool)
                .after;
        p.storage = after.parameter;
        square.storage = after.slots[0];
        buffer.storage = after.slots[1];
      }
      CHECK(p.Error(pool) < 4e-6);
      CHECK(square.Error(pool) < 4e-6);
      if (o.momentum != 0) CHECK(buffer.Error(pool) < 2e-5);
    }
  }

  TEST_CASE("Adam and AdamW steps") {
    cpu::ThreadPool pool(3);
    for (const bool decoupled : {false, true}) {
      State p, average, square;
      p.Start();
      for (int64_t step = 1; step <= kSteps; ++step) {
        const AdamOptions o = {step, 0.01, 0.9, 0.999, 1e-8, 0.1, decoupled};
        StoragePtr grad;
        const std::vector<float> g = Gradient(grad);
        for (int64_t k = 0; k < kCount; ++k) {
          const double d = decoupled ? g[k] : g[k] + o.weight_decay * p.exact[k];
          if (decoupled) p.exact[k] *= 1 - o.lr * o.weight_decay;
          average.exact[k] = o.beta1 * average.exact[k] + (1 - o.beta1) * d;
          square.exact[k] = o.beta2 * square.exact[k] + (1 - o.beta2) * d * d;
          const double m = average.exact[k] / (1 - std::pow(o.beta1, step));
          const double v = square.exact[k] / (1 - std::pow(o.beta2, step));
          p.exact[k] -= o.lr * m / (std::sqrt(v) + o.eps);
        }
        const OptimizerState after =
            RunOnCpu(AdamStep{o, grad, {p.storage, {average.storage, square.storage}}}, pool).after;
        p.storage = after.parameter;
        average.storage = after.slots[0];
        square.storage = after.slots[1];
      }
      CHECK(p.Error(pool) < 4e-6);
      CHECK(average.Error(pool) < 1e-6);
      CHECK(square.Error(pool) < 1e-6);
    }
  }
}

}  // namespace convlstm
