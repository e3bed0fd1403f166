// The split of two dimensions among threads that costs least.
#ifndef CONVLSTM_CPU_THREADS_CHEAPEST_SPLIT_H_
#define CONVLSTM_CPU_THREADS_CHEAPEST_SPLIT_H_

#include <cstdint>
#include <limits>

namespace convlstm::cpu {

// Parts that two dimensions are cut into; first * second is the number of threads.
struct ThreadSplit {
  int64_t first = 1, second = 1;
};

// The split with the least cost(first, second); among equals the one with the least `first`.
template <typename Cost>
ThreadSplit CheapestSplit(int64_t threads, const Cost& cost) {
  ThreadSplit best;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t first = 1; first <= threads; ++first) {
    if (threads % first != 0) continue;
    const double value = cost(first, threads / first);
    if (value < least) {
      least = value;
      best = {first, threads / first};
    }
  }
  return best;
}

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_THREADS_CHEAPEST_SPLIT_H_
