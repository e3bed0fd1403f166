// What this process may use of the machine: the container's share where there is one.
#ifndef CONVLSTM_CORE_SYSTEM_H_
#define CONVLSTM_CORE_SYSTEM_H_

#include <cstddef>

namespace convlstm {

// Bytes of memory: the smaller of the machine's and the control group's limit.
size_t MemoryLimit();

// Processors: those of the affinity mask, at most what the control group's quota pays for. >= 1.
int AvailableProcessors();

}  // namespace convlstm

#endif  // CONVLSTM_CORE_SYSTEM_H_
