// Optimizer steps by PyTorch's formulas.
#ifndef CONVLSTM_OPS_OPTIMIZERS_H_
#define CONVLSTM_OPS_OPTIMIZERS_H_

#include <array>
#include <cstdint>
#include <string>

#include "ops/check.h"
#include "ops/visit.h"

namespace convlstm {

struct SgdOptions {
  static constexpr auto kStep = "sgdStep";
  static constexpr std::array kSlots = {"buffer"};  // the momentum buffer

  double lr;
  double momentum;
  double dampening;
  bool nesterov;
  double weight_decay;

  bool keeps(size_t) const { return momentum != 0; }

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("lr", lr);
    visit("momentum", momentum);
    visit("dampening", dampening);
    visit("nesterov", nesterov);
    visit("weightDecay", weight_decay);
  }
};

struct RmspropOptions {
  static constexpr auto kStep = "rmspropStep";
  // The average of squares, the momentum buffer.
  static constexpr std::array kSlots = {"squareAverage", "buffer"};

  double lr;
  double alpha;
  double eps;
  double momentum;
  double weight_decay;

  bool keeps(size_t slot) const { return slot == 0 || momentum != 0; }

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("lr", lr);
    visit("alpha", alpha);
    visit("eps", eps);
    visit("momentum", momentum);
    visit("weightDecay", weight_decay);
  }
};

struct AdamOptions {
  static constexpr auto kStep = "adamStep";
  static constexpr std::array kSlots = {"average", "squareAverage"};

  int64_t step;  // from 1
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
  bool decoupled;

  bool keeps(size_t) const { return true; }

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("step", step);
    visit("lr", lr);
    visit("beta1", beta1);
    visit("beta2", beta2);
    visit("eps", eps);
    visit("weightDecay", weight_decay);
    visit("decoupled", decoupled);
  }
};

// A parameter and the optimizer's state for it, each with the parameter's elements. A slot that is
// null before a step stands for zeros, SGD's buffer for the gradient. After a step slots are null
// unless Options::keeps them.
struct OptimizerState {
  StoragePtr parameter{};
  std::array<StoragePtr, 2> slots{};
};

// One step: `after` from `before` and the parameter's gradient.
template <typename Options>
struct OptimizerStep {
  static constexpr auto kName = Options::kStep;
  static constexpr auto kCalling = Calling::kByName;

  Options options{};
  StoragePtr grad{};
  OptimizerState before{};
  OptimizerState after{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("parameter", before.parameter);
    visit("grad", grad);
    for (size_t k = 0; k < Options::kSlots.size(); ++k) {
      visit(Options::kSlots[k], before.slots[k], kNullable);
    }
    options.VisitArguments(visit);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    const Shape shape = {grad->elements()};
    visit("parameter", after.parameter, shape);
    for (size_t k = 0; k < Options::kSlots.size(); ++k) {
      visit(Options::kSlots[k], after.slots[k], ShapeIf(options.keeps(k), shape));
    }
  }

  // Throws Error(kShape) unless grad and the slots have the parameter's elements.
  void Check() const {
    const Shape shape = {before.parameter->elements()};
    CheckElements(std::string(kName) + ": grad", grad, shape);
    for (size_t k = 0; k < Options::kSlots.size(); ++k) {
      CheckElements(std::string(kName) + ": " + Options::kSlots[k], before.slots[k], shape);
    }
  }
};
using SgdStep = OptimizerStep<SgdOptions>;
using RmspropStep = OptimizerStep<RmspropOptions>;
using AdamStep = OptimizerStep<AdamOptions>;

// Elements of a step's storages; null slots as in OptimizerState.
struct OptimizerArrays {
  const float* parameter;
  const float* grad;
  const float* slots[2];
  float* next_parameter;
  float* next_slots[2];
};

// Factors computed from options. `fresh` is the weight of the new term in a moving average.
struct SgdFactors {
  float lr, decay, momentum, fresh;
  bool nesterov;
};
struct RmspropFactors {
  float lr, decay, alpha, fresh, eps, momentum;
};
// step = lr average / (sqrt(square) correction + eps); `keep` = 1 - lr weight_decay if decoupled.
struct AdamFactors {
  float lr, correction, decay, keep, beta1, fresh1, beta2, fresh2, eps;
};

SgdFactors FactorsOf(const SgdOptions& options);
RmspropFactors FactorsOf(const RmspropOptions& options);
AdamFactors FactorsOf(const AdamOptions& options);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_OPTIMIZERS_H_
