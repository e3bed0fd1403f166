// SgdStep, RmspropStep, AdamStep.
#include <cmath>

#include "operations/cases.h"

namespace convlstm {
namespace {

constexpr int64_t kCount = 1003;

// One element before the step: the parameter, the slots (0 on the first step), the gradient.
struct Element {
  double parameter, slots[2], grad;
  bool first;
};
struct Updated {
  double parameter, slots[2];
  double amplification = 1;  // of the gradient's rounding, in the last slot
};

Updated Reference(const SgdOptions& o, const Element& e) {
  const double d = e.grad + o.weight_decay * e.parameter;
  const double buffer = e.first ? d : o.momentum * e.slots[0] + (1 - o.dampening) * d;
  const double nesterov = d + o.momentum * buffer;
  const double step = o.momentum == 0 ? d : o.nesterov ? nesterov : buffer;
  return {e.parameter - o.lr * step, {buffer, 0}};
}

Updated Reference(const RmspropOptions& o, const Element& e) {
  const double d = e.grad + o.weight_decay * e.parameter;
  const double square = o.alpha * e.slots[0] + (1 - o.alpha) * d * d;
  const double buffer = o.momentum * e.slots[1] + d / (std::sqrt(square) + o.eps);
  const double amplification = 1 / (std::sqrt(square) + o.eps);
  return {e.parameter - o.lr * buffer, {square, buffer}, std::max(1.0, amplification)};
}

Updated Reference(const AdamOptions& o, const Element& e) {
  const double d = o.decoupled ? e.grad : e.grad + o.weight_decay * e.parameter;
  const double kept = o.decoupled ? 1 - o.lr * o.weight_decay : 1;
  const double average = o.beta1 * e.slots[0] + (1 - o.beta1) * d;
  const double square = o.beta2 * e.slots[1] + (1 - o.beta2) * d * d;
  const double step = static_cast<double>(o.step);
  const double m = average / (1 - std::pow(o.beta1, step));
  const double v = square / (1 - std::pow(o.beta2, step));
  return {kept * e.parameter - o.lr * m / (std::sqrt(v) + o.eps), {average, square}};
}

// The first step, when slots are null, and a later one.
template <typename Options>
void AddStep(const std::string& name, Options options, std::mt19937& random, Cases& cases) {
  for (const bool first : {true, false}) {
    if constexpr (requires { options.step; }) options.step = first ? 1 : 7;
    OptimizerStep<Options> step;
    step.options = options;
    const std::vector<float> parameter = Normal(random, kCount), grad = Normal(random, kCount);
    step.before.parameter = Operand(parameter);
    step.grad = Operand(grad);
    constexpr size_t kSlots = Options::kSlots.size();
    std::vector<float> slots[2];
    for (size_t k = 0; k < kSlots; ++k) {
      slots[k] = Normal(random, kCount);
      for (float& value : slots[k]) value *= value;  // averages of squares are positive
      if (!first && options.keeps(k)) step.before.slots[k] = Operand(slots[k]);
    }
    std::vector<Expected> results(1 + kSlots);
    for (int64_t n = 0; n < kCount; ++n) {
      Element element = {parameter[n], {0, 0}, grad[n], first};
      for (size_t k = 0; k < kSlots; ++k) {
        if (step.before.slots[k]) element.slots[k] = slots[k][n];
      }
      const Updated updated = Reference(options, element);
      const double change = updated.parameter - element.parameter;
      results[0].Add(updated.parameter, 1e-6 * (std::abs(change) + std::abs(grad[n])) +
                                           2e-7 * std::abs(parameter[n]));
      for (size_t k = 0; k < kSlots; ++k) {
        if (!options.keeps(k)) continue;
        const double scale = std::abs(element.slots[k]) + std::abs(updated.slots[k]) +
                             std::abs(grad[n]) + std::abs(parameter[n]);
        const double amplification = k + 1 == kSlots ? updated.amplification : 1;
        results[1 + k].Add(updated.slots[k], 2e-7 * scale * amplification);
      }
    }
    cases.push_back({name + (first ? ", first step" : ", later step"), std::move(step), results});
  }
}

}  // namespace

void AddOptimizerCases(Cases& cases) {
  std::mt19937 random(4);
  AddStep("SGD", SgdOptions{0.1, 0, 0, false, 0}, random, cases);
  AddStep("SGD with weight decay", SgdOptions{0.1, 0, 0, false, 0.1}, random, cases);
  AddStep("SGD with momentum", SgdOptions{0.1, 0.9, 0.3, false, 0.01}, random, cases);
  AddStep("SGD with Nesterov momentum", SgdOptions{0.1, 0.9, 0, true, 0.1}, random, cases);
  AddStep("RMSprop", RmspropOptions{0.01, 0.99, 1e-8, 0, 0}, random, cases);
  AddStep("RMSprop with momentum", RmspropOptions{0.01, 0.9, 1e-3, 0.9, 0.1}, random, cases);
  AddStep("Adam", AdamOptions{1, 0.01, 0.9, 0.999, 1e-8, 0.1, false}, random, cases);
  AddStep("AdamW", AdamOptions{1, 0.01, 0.9, 0.999, 1e-8, 0.1, true}, random, cases);
}

}  // namespace convlstm
