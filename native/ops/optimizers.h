// The optimizers' steps, by PyTorch's formulas.
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

  int64_t step;  // 1 for the first
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

// The parameter and what the optimizer keeps beside it from step to step, each as long as the
// parameter. A slot that is null before the step is zeros; SGD's buffer becomes the gradient then.
// A slot that the options do not keep is null after it.
struct OptimizerState {
  StoragePtr parameter{};
  std::array<StoragePtr, 2> slots{};
};

// Each operation of an optimizer: before + grad -> after.
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

  // Throws Error(kShape) unless all are as long as the parameter.
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

// The arrays of a step; null as above.
struct OptimizerArrays {
  const float* parameter;
  const float* grad;
  const float* slots[2];
  float* next_parameter;
  float* next_slots[2];
};

// The options as they are multiplied with. `fresh` is the share of what is new in an average.
struct SgdFactors {
  float lr, decay, momentum, fresh;
  bool nesterov;
};
struct RmspropFactors {
  float lr, decay, alpha, fresh, eps, momentum;
};
// step = lr average / (sqrt(square) correction + eps), and keep is what decoupled decay leaves.
struct AdamFactors {
  float lr, correction, decay, keep, beta1, fresh1, beta2, fresh2, eps;
};

SgdFactors FactorsOf(const SgdOptions& options);
RmspropFactors FactorsOf(const RmspropOptions& options);
AdamFactors FactorsOf(const AdamOptions& options);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_OPTIMIZERS_H_
