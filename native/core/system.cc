#include "core/system.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

namespace convlstm {
namespace {

#if defined(__linux__)
// Calls `visit(folder)` for this process's control group (version 2) and every ancestor: the
// narrowest limit applies. In a container the group's own folder is the root.
template <typename Visitor>
void VisitControlGroups(const Visitor& visit) {
  std::ifstream groups("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(groups, line);) {
    if (line.starts_with("0::/")) path = line.substr(3);
  }
  if (path == "/") path.clear();
  while (true) {
    visit("/sys/fs/cgroup" + path);
    if (path.empty()) return;
    path.resize(path.rfind('/'));
  }
}

size_t ControlGroupMemory() {
  size_t limit = std::numeric_limits<size_t>::max();
  const auto read = [&limit](const std::string& path) {
    size_t bytes;
    if (std::ifstream file(path); file >> bytes) limit = std::min(limit, bytes);
  };
  VisitControlGroups([&](const std::string& folder) { read(folder + "/memory.max"); });
  read("/sys/fs/cgroup/memory/memory.limit_in_bytes");  // version 1
  return limit;
}

double ControlGroupProcessors() {
  double limit = std::numeric_limits<double>::infinity();
  const auto take = [&limit](double quota, double period) {
    if (quota > 0 && period > 0) limit = std::min(limit, quota / period);
  };
  VisitControlGroups([&](const std::string& folder) {
    double quota, period;
    if (std::ifstream file(folder + "/cpu.max"); file >> quota >> period) take(quota, period);
  });
  double quota, period;  // version 1
  std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota_file >> quota && period_file >> period) take(quota, period);
  return limit;
}
#endif

size_t MachineMemory() {
#if defined(_WIN32)
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  GlobalMemoryStatusEx(&status);
  return static_cast<size_t>(status.ullTotalPhys);
#else
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
#endif
}

}  // namespace

size_t MemoryLimit() {
#if defined(__linux__)
  return std::min(MachineMemory(), ControlGroupMemory());
#else
  return MachineMemory();
#endif
}

int AvailableProcessors() {
  int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) processors = CPU_COUNT(&mask);
  processors = static_cast<int>(std::min<double>(processors, std::ceil(ControlGroupProcessors())));
#endif
  return std::max(1, processors);
}

void RequestLongSlices() {
#if defined(SYS_sched_setattr)
  // A waking thread preempts a running one with longer slices than its own (0.7 to 2.8 ms by
  // default), unless that slice is nearly over. With 4 ms a timer was still up to 9 ms late; 100 ms
  // delay an event loop that never sleeps by 40 ms.
  constexpr uint64_t kSliceNanoseconds = 20'000'000;
  struct {  // the kernel's sched_attr; policy 0 is SCHED_OTHER
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes{};
  attributes.size = sizeof(attributes);
  attributes.nice = getpriority(PRIO_PROCESS, 0);
  attributes.runtime = kSliceNanoseconds;
  if (sched_getscheduler(0) == SCHED_OTHER) syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

void PreferHugePages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(MADV_HUGEPAGE)
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data);
  const size_t before = (kHugePage - begin % kHugePage) % kHugePage;
  if (before >= bytes) return;
  const size_t whole = (bytes - before) / kHugePage * kHugePage;
  if (whole > 0) madvise(static_cast<char*>(data) + before, whole, MADV_HUGEPAGE);
#endif
}

}  // namespace convlstm
