#include "ops/bernoulli.h"

#include <string>

#include "core/error.h"

namespace convlstm {

void Bernoulli::Check() const {
  if (!(mask.probability >= 0 && mask.probability <= 1)) {
    throw Error(ErrorCode::kOption, "bernoulli: probability: expected a number from 0 to 1, got " +
                                        std::to_string(mask.probability));
  }
}

}  // namespace convlstm
