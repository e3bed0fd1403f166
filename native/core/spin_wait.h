// Waits for another thread that usually answers within microseconds.
#ifndef CONVLSTM_CORE_SPIN_WAIT_H_
#define CONVLSTM_CORE_SPIN_WAIT_H_

#include <atomic>
#include <chrono>
#include <thread>

#include "hwy/cache_control.h"

namespace convlstm {

// A sleeping thread takes 5 to 50 us to wake, a spinning one less than 1. Spinning for longer than
// a wake-up takes only keeps the processor from other threads.
inline constexpr std::chrono::microseconds kSpinTime{50};

// Returns true as soon as `ready()` is true, false after `time`. Yields in between: the other
// thread may need this processor.
template <typename Ready>
bool SpinUntil(const Ready& ready, std::chrono::microseconds time) {
  constexpr int kPausesPerYield = 32;
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    for (int i = 0; i < kPausesPerYield; ++i) {
      if (ready()) return true;
      hwy::Pause();
    }
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

// Returns when `value` differs from `old` (acquire): spins for kSpinTime, then sleeps. The writer
// must store sequentially consistently (otherwise a wake-up could be lost) and notify.
template <typename T>
void SpinWait(const std::atomic<T>& value, T old) {
  const auto changed = [&] { return value.load(std::memory_order_acquire) != old; };
  if (!SpinUntil(changed, kSpinTime)) value.wait(old, std::memory_order_acquire);
}

}  // namespace convlstm

#endif  // CONVLSTM_CORE_SPIN_WAIT_H_
