// Free memory as address ranges: adjacent ranges merge, and a request takes the front of the
// smallest range that fits (best fit). Layers of different sizes thus reuse the same pages, which
// lists by size would prevent.
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

  // `age` increases from call to call.
  void Add(char* begin, size_t bytes, uint64_t age);
  // Null if no range is large enough.
  char* Take(size_t bytes);

  bool empty() const { return ranges_.empty(); }
  // Age of the range that has gone unchanged for longest. Requires !empty().
  uint64_t oldest() const { return Oldest()->second.age; }
  // Removes the tail of the oldest range: at least `bytes`, starting at a multiple of `alignment`,
  // or the whole range. Requires !empty().
  Range TakeOldest(size_t bytes, size_t alignment);

 private:
  struct Extent {
    size_t bytes;
    uint64_t age;  // of its newest part
  };
  using Ranges = std::map<char*, Extent>;

  Ranges::const_iterator Oldest() const;

  Ranges ranges_;
};

}  // namespace convlstm

#endif  // CONVLSTM_CORE_FREE_RANGES_H_
