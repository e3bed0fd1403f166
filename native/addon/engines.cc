#include "addon/engines.h"

#include "cpu/engine.h"
#include "cuda/engines.h"

namespace convlstm::addon {

Engine& EngineOf(const Storage& storage) {
  if (&storage.memory() == &HostMemory()) return cpu::CpuEngine();
  return cuda::EngineOf(storage.memory());
}

}  // namespace convlstm::addon
