// Work that threads share while it lasts.
#ifndef CONVLSTM_CPU_THREADS_WORK_ITEMS_H_
#define CONVLSTM_CPU_THREADS_WORK_ITEMS_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace convlstm::cpu {

// The items [0, count), each to be taken once. Every part begins with a near-equal share of its
// own, in order; a part that is through helps out at the end of the share that has most left. Equal
// shares alone left 1% to 13% of the time of two threads unused on a virtual machine with
// neighbours, whose processors are never equally fast for long.
class WorkItems {
 public:
  WorkItems(int64_t count, int parts);

  // The next item of `part`; nothing when all are taken.
  std::optional<int64_t> Take(int part);

 private:
  // What is left of a share: its begin in the high half, its end in the low one. A line each.
  struct alignas(64) Share {
    std::atomic<uint64_t> left;
  };
  std::optional<int64_t> TakeFirst(Share& share);
  std::optional<int64_t> TakeLast(Share& share);

  std::vector<Share> shares_;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_THREADS_WORK_ITEMS_H_
