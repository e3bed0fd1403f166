#ifndef CONVLSTM_CUDA_ENGINE_H_
#define CONVLSTM_CUDA_ENGINE_H_

#include "runtime/engine.h"

namespace convlstm::cuda {

// Opens a GPU; the engine lives until the process exits. Throws Error(kDevice).
Engine& OpenEngine(int device);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_ENGINE_H_
