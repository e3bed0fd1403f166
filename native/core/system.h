// Resources of this process: the container's share of the machine, if there is a container.
#ifndef CONVLSTM_CORE_SYSTEM_H_
#define CONVLSTM_CORE_SYSTEM_H_

#include <cstddef>

namespace convlstm {

// Bytes of memory: the machine's, at most the control group's limit.
size_t MemoryLimit();

// Number of processors in the affinity mask, at most the control group's quota; >= 1.
int AvailableProcessors();

// Lets threads that wake for a moment, such as an event loop, preempt the calling thread, which
// computes for long, before its time slice ends. Its share of the processor stays the same. No
// effect on systems without the setting (Linux before 6.12).
void RequestLongSlices();

inline constexpr size_t kHugePage = size_t{2} << 20;

// Requests huge pages for the aligned part of fresh memory: one page fault then maps 2 MiB instead
// of 4 KiB. No effect on systems without madvise(MADV_HUGEPAGE).
void PreferHugePages(void* data, size_t bytes);

}  // namespace convlstm

#endif  // CONVLSTM_CORE_SYSTEM_H_
