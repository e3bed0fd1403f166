#ifndef CONVLSTM_CPU_ENGINE_H_
#define CONVLSTM_CPU_ENGINE_H_

#include "runtime/engine.h"

namespace convlstm::cpu {

// The one of this process. Its queue() throws Error(kOption) when CONVLSTM_THREADS is no number.
Engine& CpuEngine();

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_ENGINE_H_
