// Waiting for another thread that answers within microseconds most of the time.
#ifndef CONVLSTM_CORE_SPIN_WAIT_H_
#define CONVLSTM_CORE_SPIN_WAIT_H_

#include <atomic>
#include <chrono>

#include "hwy/cache_control.h"

namespace convlstm {

// A sleeping thread takes 5 to 50 us to wake, a spinning one less than 1; longer than a wake-up
// takes it is not worth keeping a processor from others.
inline constexpr std::chrono::microseconds kSpinTime{50};

// Returns true as soon as `ready()` is, false when kSpinTime has passed.
template <typename Ready>
bool SpinUntil(const Ready& ready) {
  constexpr int kPausesPerLook = 16;
  const auto end = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (ready()) return true;
      hwy::Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// Returns when `value` is not `old` any more (acquire): spins for a moment, then sleeps. Whoever
// changes it does so sequentially consistent (a wake-up could get lost otherwise) and notifies.
template <typename T>
void SpinWait(const std::atomic<T>& value, T old) {
  const auto changed = [&] { return value.load(std::memory_order_acquire) != old; };
  if (!SpinUntil(changed)) value.wait(old, std::memory_order_acquire);
}

}  // namespace convlstm

#endif  // CONVLSTM_CORE_SPIN_WAIT_H_
