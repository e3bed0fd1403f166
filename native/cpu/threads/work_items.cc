#include "cpu/threads/work_items.h"

#include <cstddef>

#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {
namespace {

constexpr uint64_t Pack(uint64_t begin, uint64_t end) { return begin << 32 | end; }
constexpr uint64_t BeginOf(uint64_t left) { return left >> 32; }
constexpr uint64_t EndOf(uint64_t left) { return left & 0xffffffff; }
constexpr uint64_t CountOf(uint64_t left) { return EndOf(left) - BeginOf(left); }

}  // namespace

WorkItems::WorkItems(int64_t count, int parts) : shares_(parts) {
  for (int part = 0; part < parts; ++part) {
    const Range range = SplitRange(count, part, parts);
    shares_[part].left.store(Pack(range.begin, range.end), std::memory_order_relaxed);
  }
}

std::optional<int64_t> WorkItems::Take(int part) {
  if (const auto item = TakeFirst(shares_[part])) return item;
  while (true) {
    Share* fullest = nullptr;
    uint64_t most = 0;
    for (Share& share : shares_) {
      const uint64_t count = CountOf(share.left.load(std::memory_order_relaxed));
      if (count > most) {
        most = count;
        fullest = &share;
      }
    }
    if (fullest == nullptr) return std::nullopt;
    if (const auto item = TakeLast(*fullest)) return item;
  }
}

std::optional<int64_t> WorkItems::TakeFirst(Share& share) {
  uint64_t left = share.left.load(std::memory_order_relaxed);
  while (CountOf(left) > 0) {
    const uint64_t rest = Pack(BeginOf(left) + 1, EndOf(left));
    if (share.left.compare_exchange_weak(left, rest, std::memory_order_relaxed)) {
      return BeginOf(left);
    }
  }
  return std::nullopt;
}

std::optional<int64_t> WorkItems::TakeLast(Share& share) {
  uint64_t left = share.left.load(std::memory_order_relaxed);
  while (CountOf(left) > 0) {
    const uint64_t rest = Pack(BeginOf(left), EndOf(left) - 1);
    if (share.left.compare_exchange_weak(left, rest, std::memory_order_relaxed)) {
      return EndOf(left) - 1;
    }
  }
  return std::nullopt;
}

}  // namespace convlstm::cpu
