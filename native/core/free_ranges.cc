#include "core/free_ranges.h"

#include <algorithm>
#include <iterator>

namespace convlstm {

void FreeRanges::Add(char* begin, size_t bytes, uint64_t age) {
  auto next = ranges_.lower_bound(begin);
  if (next != ranges_.end() && next->first == begin + bytes) {
    bytes += next->second.bytes;
    next = ranges_.erase(next);
  }
  if (next != ranges_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second.bytes == begin) {
      previous->second = {previous->second.bytes + bytes, age};
      return;
    }
  }
  ranges_.emplace_hint(next, begin, Extent{bytes, age});
}

// Among equal sizes the newest, which is most likely in the processor's cache.
char* FreeRanges::Take(size_t bytes) {
  auto best = ranges_.end();
  for (auto it = ranges_.begin(); it != ranges_.end(); ++it) {
    const Extent& extent = it->second;
    if (extent.bytes < bytes) continue;
    if (best == ranges_.end() || extent.bytes < best->second.bytes ||
        (extent.bytes == best->second.bytes && extent.age > best->second.age)) {
      best = it;
    }
  }
  if (best == ranges_.end()) return nullptr;
  const auto [begin, extent] = *best;
  const auto next = ranges_.erase(best);
  if (extent.bytes > bytes) {
    ranges_.emplace_hint(next, begin + bytes, Extent{extent.bytes - bytes, extent.age});
  }
  return begin;
}

FreeRanges::Ranges::const_iterator FreeRanges::Oldest() const {
  return std::min_element(ranges_.begin(), ranges_.end(),
                          [](const auto& a, const auto& b) { return a.second.age < b.second.age; });
}

FreeRanges::Range FreeRanges::TakeOldest(size_t bytes, size_t alignment) {
  const auto oldest = Oldest();
  const auto [begin, extent] = *oldest;
  size_t kept = 0;
  if (extent.bytes > bytes) {
    const size_t over = reinterpret_cast<uintptr_t>(begin + extent.bytes - bytes) % alignment;
    kept = extent.bytes - std::min(extent.bytes, bytes + over);
  }
  if (kept == 0) {
    ranges_.erase(oldest);
  } else {
    ranges_[begin].bytes = kept;
  }
  return {begin + kept, extent.bytes - kept};
}

}  // namespace convlstm
