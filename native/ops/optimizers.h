// The optimizers' steps, by PyTorch's formulas.
#ifndef CONVLSTM_OPS_OPTIMIZERS_H_
#define CONVLSTM_OPS_OPTIMIZERS_H_

#include <array>
#include <cstdint>
#include <variant>

#include "core/storage.h"

namespace convlstm {

struct SgdOptions {
  double lr;
  double momentum;
  double dampening;
  bool nesterov;
  double weight_decay;
};

struct RmspropOptions {
  double lr;
  double alpha;
  double eps;
  double momentum;
  double weight_decay;
};

struct AdamOptions {
  int64_t step;  // 1 for the first
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
  bool decoupled;
};

using OptimizerOptions = std::variant<SgdOptions, RmspropOptions, AdamOptions>;

// What a step reads and what it writes, each as long as the parameter. The slots are
//   SGD      the momentum buffer
//   RMSprop  the average of squares, the momentum buffer
//   Adam     the average, the average of squares
// One that is null before the step is zeros; SGD's buffer becomes the gradient then. Without
// momentum no buffer is written.
struct OptimizerState {
  StoragePtr parameter;
  std::array<StoragePtr, 2> slots;
};

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
