// Loops over even ranges, on the calling thread where the work is small.
#ifndef CONVLSTM_CPU_THREADS_PARALLEL_FOR_H_
#define CONVLSTM_CPU_THREADS_PARALLEL_FOR_H_

#include <algorithm>

#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// Elements of light work that take as long as waking the pool.
inline constexpr int64_t kParallelElements = 32 * 1024;

// Calls body(range) on disjoint ranges that make up [0, count): one on the calling thread where
// count * elements, the work, is below kParallelElements, else one a thread.
template <typename Body>
void ParallelFor(ThreadPool& pool, int64_t count, int64_t elements, const Body& body) {
  if (count == 0) return;
  if (pool.threads() == 1 || count == 1 || count * elements < kParallelElements) {
    body(Range{0, count});
    return;
  }
  pool.Run([&](int part) {
    const Range range = SplitRange(count, part, pool.threads());
    if (range.begin < range.end) body(range);
  });
}

// Calls body(begin, count) on disjoint parts of [0, elements), cut between cache lines.
template <typename Body>
void ForLines(ThreadPool& pool, int64_t elements, const Body& body) {
  constexpr int64_t kLine = 16;
  ParallelFor(pool, (elements + kLine - 1) / kLine, kLine, [&](Range lines) {
    const int64_t begin = lines.begin * kLine;
    body(begin, std::min(elements, lines.end * kLine) - begin);
  });
}

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_THREADS_PARALLEL_FOR_H_
