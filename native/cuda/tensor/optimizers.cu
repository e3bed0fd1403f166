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

template <typename Options, typename Kernel>
void Step(Device& device, const OptimizerStep<Options>& op, const char* name, Kernel* kernel) {
  const auto& [options, grad, before, after] = op;
  const OptimizerArrays arrays = {Read(device, before.parameter),
                                  Read(device, grad),
                                  {Read(device, before.slots[0]), Read(device, before.slots[1])},
                                  Write(after.parameter),
                                  {Write(after.slots[0]), Write(after.slots[1])}};
  const int64_t count = grad->elements();
  LaunchStrided(device, name, kernel, count, FactorsOf(options), arrays, count);
}

}  // namespace

void Run(Device& device, const SgdStep& op) { Step(device, op, "SgdElements", SgdElements); }
void Run(Device& device, const RmspropStep& op) {
  Step(device, op, "RmspropElements", RmspropElements);
}
void Run(Device& device, const AdamStep& op) { Step(device, op, "AdamElements", AdamElements); }

}  // namespace convlstm::cuda
