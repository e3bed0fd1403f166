// Items of work with work stealing.
#ifndef CONVLSTM_CPU_THREADS_WORK_ITEMS_H_
#define CONVLSTM_CPU_THREADS_WORK_ITEMS_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace convlstm::cpu {

// The items [0, count), each taken once. Every part begins with a near-equal share of its own, in
// order; a part without items takes from the end of the share with most left. Equal shares alone
// left two threads idle for 1% to 13% of the time on a virtual machine with neighbours, whose
// processors are never equally fast for long.
class WorkItems {
 public:
  WorkItems(int64_t count, int parts);

  // The next item of `part`; nullopt when all are taken.
  std::optional<int64_t> Take(int part);

 private:
  // Remaining items: begin in the high half, end in the low one. Alone in its cache line.
  struct alignas(64) Share {
    std::atomic<uint64_t> left;
  };
  std::optional<int64_t> TakeFirst(Share& share);
  std::optional<int64_t> TakeLast(Share& share);

  std::vector<Share> shares_;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_THREADS_WORK_ITEMS_H_
