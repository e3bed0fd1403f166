// Replaces engines.cc in builds without nvcc.
#include "core/error.h"
#include "cuda/engines.h"

namespace convlstm::cuda {

const Devices& ListDevices() {
  static const Devices none = {{}, "built without CUDA"};
  return none;
}

std::map<int, Engine*> OpenEngines() { return {}; }
Engine& EngineOf(int) { throw Error(ErrorCode::kDevice, ListDevices().reason); }
Engine& EngineOf(const Memory&) { throw Error(ErrorCode::kDevice, ListDevices().reason); }

}  // namespace convlstm::cuda
