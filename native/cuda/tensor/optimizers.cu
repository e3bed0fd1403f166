#include "cuda/device/launch.cuh"
#include "cuda/tensor/layout.h"
#include "cuda/tensor/operations.h"
#include "cuda/tensor/optimizers.cuh"

namespace convlstm::cuda {
namespace {

const float* Read(Device& device, const StoragePtr& storage) {
  return storage == nullptr ? nullptr : RowMajor(device, *storage);
}

float* Write(const StoragePtr& storage) {
  return storage == nullptr ? nullptr : storage->Allocate();
}

}  // namespace

void OptimizerStep(Device& device, const OptimizerOptions& options, Storage& grad,
                   const OptimizerState& before, const OptimizerState& after) {
  const OptimizerArrays arrays = {Read(device, before.parameter),
                                  RowMajor(device, grad),
                                  {Read(device, before.slots[0]), Read(device, before.slots[1])},
                                  Write(after.parameter),
                                  {Write(after.slots[0]), Write(after.slots[1])}};
  const int64_t count = grad.elements();
  if (const auto* sgd = std::get_if<SgdOptions>(&options)) {
    LaunchStrided(device, "SgdElements", SgdElements, count, FactorsOf(*sgd), arrays, count);
  } else if (const auto* rmsprop = std::get_if<RmspropOptions>(&options)) {
    LaunchStrided(device, "RmspropElements", RmspropElements, count, FactorsOf(*rmsprop), arrays,
                  count);
  } else {
    LaunchStrided(device, "AdamElements", AdamElements, count,
                  FactorsOf(std::get<AdamOptions>(options)), arrays, count);
  }
}

}  // namespace convlstm::cuda
