// What this process may use of the machine: the container's share where there is one.
#ifndef CONVLSTM_CORE_SYSTEM_H_
#define CONVLSTM_CORE_SYSTEM_H_

#include <cstddef>

namespace convlstm {

// Bytes of memory: the smaller of the machine's and the control group's limit.
size_t MemoryLimit();

// Processors: those of the affinity mask, at most what the control group's quota pays for. >= 1.
int AvailableProcessors();

// For the calling thread, which computes for long: threads that wake up for a moment, as an event
// loop does, get its processor at once instead of at the end of its time slice. Its share of the
// processor stays what it is. Does nothing where the system does not know how (Linux before 6.12).
void LetOthersIn();

inline constexpr size_t kHugePage = size_t{2} << 20;

// Asks for huge pages in the part of fresh memory that they fit into: one page fault then brings
// 2 MiB instead of 4 KiB. Does nothing where the system has no such advice.
void PreferHugePages(void* data, size_t bytes);

}  // namespace convlstm

#endif  // CONVLSTM_CORE_SYSTEM_H_
