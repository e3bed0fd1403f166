#include "ops/optimizers.h"

#include <cmath>

namespace convlstm {
namespace {

float Float(double value) { return static_cast<float>(value); }

}  // namespace

SgdFactors FactorsOf(const SgdOptions& options) {
  return {Float(options.lr), Float(options.weight_decay), Float(options.momentum),
          Float(1 - options.dampening), options.nesterov};
}

RmspropFactors FactorsOf(const RmspropOptions& options) {
  return {Float(options.lr),        Float(options.weight_decay), Float(options.alpha),
          Float(1 - options.alpha), Float(options.eps),          Float(options.momentum)};
}

// Bias corrections are computed in double: 1 - beta2^step loses three digits in float.
AdamFactors FactorsOf(const AdamOptions& options) {
  const auto steps = static_cast<double>(options.step);
  const double decay = options.weight_decay;
  return {.lr = Float(options.lr / (1 - std::pow(options.beta1, steps))),
          .correction = Float(1 / std::sqrt(1 - std::pow(options.beta2, steps))),
          .decay = Float(options.decoupled ? 0 : decay),
          .keep = Float(options.decoupled ? 1 - options.lr * decay : 1),
          .beta1 = Float(options.beta1),
          .fresh1 = Float(1 - options.beta1),
          .beta2 = Float(options.beta2),
          .fresh2 = Float(1 - options.beta2),
          .eps = Float(options.eps)};
}

}  // namespace convlstm
