// Memory that is free, as ranges of addresses: neighbours become one, and a request takes the front
// of the smallest that holds it. So layers of different sizes use the same pages one after the
// other, which lists by size would not let them.
#ifndef CONVLSTM_CORE_FREE_RANGES_H_
#define CONVLSTM_CORE_FREE_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <map>

namespace convlstm {

class FreeRanges {
 public:
  struct Range {
    char* begin;
    size_t bytes;
  };

  // `age` is larger than those before.
  void Add(char* begin, size_t bytes, uint64_t age);
  // Null where no range is large enough.
  char* Take(size_t bytes);

  bool empty() const { return ranges_.empty(); }
  // When the range was added to that was not for the longest time. There must be one.
  uint64_t oldest() const { return Oldest()->second.age; }
  // The end of that range, at least `bytes` of it and from a multiple of `alignment` on, or all.
  Range TakeOldest(size_t bytes, size_t alignment);

 private:
  struct Extent {
    size_t bytes;
    uint64_t age;  // of the part that was added last
  };
  using Ranges = std::map<char*, Extent>;

  Ranges::const_iterator Oldest() const;

  Ranges ranges_;
};

}  // namespace convlstm

#endif  // CONVLSTM_CORE_FREE_RANGES_H_
