// The optimizers' steps, by PyTorch's formulas.
#ifndef CONVLSTM_OPS_OPTIMIZERS_H_
#define CONVLSTM_OPS_OPTIMIZERS_H_

#include <cstdint>

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

// What a step reads and what it writes, each as long as the parameter. A state that is null before
// the step is zeros; SGD's buffer becomes the gradient then. Without momentum no buffer is written.
struct SgdState {
  StoragePtr parameter;
  StoragePtr buffer;
};
struct RmspropState {
  StoragePtr parameter;
  StoragePtr square_average;
  StoragePtr buffer;
};
struct AdamState {
  StoragePtr parameter;
  StoragePtr average;
  StoragePtr square_average;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_OPTIMIZERS_H_
