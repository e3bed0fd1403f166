#ifndef CONVLSTM_CUDA_ENGINE_H_
#define CONVLSTM_CUDA_ENGINE_H_

#include "runtime/engine.h"

namespace convlstm::cuda {

// Opens a GPU for as long as the process lives. Throws Error(kDevice).
Engine& OpenEngine(int device);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_ENGINE_H_
