#include "cpu/threads/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/spin_wait.h"
#include "core/system.h"

namespace convlstm::cpu {

struct ThreadPool::Shared {
  // Low half: the next part to take, `parts` when none is left. High half: the number of calls of
  // Run. The thread that increments the low half owns that part; `body` is valid until all parts
  // are finished.
  std::atomic<uint32_t> next;
  std::atomic<int> unfinished{0};
  std::atomic<bool> stop{false};
  const uint32_t parts;
  const std::function<void(int)>* body = nullptr;
  std::mutex error_mutex;
  std::exception_ptr error;
  std::vector<std::thread> workers;

  static constexpr uint32_t kCall = 1u << 16;

  explicit Shared(uint32_t parts) : next(parts), parts(parts) {}

  // Opens parts [first, parts) for taking.
  void Publish(uint32_t first) {
    next.store((next.load(std::memory_order_relaxed) & ~(kCall - 1)) + kCall + first);
    next.notify_all();
  }

  void RunPart(int part) {
    try {
      (*body)(part);
    } catch (...) {
      std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
    if (unfinished.fetch_sub(1) == 1) unfinished.notify_one();
  }

  // Returns the value of `next` in which no part was left.
  uint32_t RunWhatIsLeft() {
    uint32_t state = next.load(std::memory_order_acquire);
    while (state % kCall < parts) {
      if (!next.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) continue;
      RunPart(static_cast<int>(state % kCall));
      state = next.load(std::memory_order_acquire);
    }
    return state;
  }

  void Work() {
    while (true) {
      const uint32_t state = RunWhatIsLeft();
      if (stop.load(std::memory_order_relaxed)) return;  // set before the state waited for
      SpinWait(next, state);
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : threads_(threads), shared_(std::make_unique<Shared>(static_cast<uint32_t>(threads))) {
  shared_->workers.reserve(threads_);  // an allocation that throws later would leak threads
  for (int part = 1; part < threads_; ++part) {
    try {
      shared_->workers.emplace_back([shared = shared_.get()] {
        RequestLongSlices();
        shared->Work();
      });
    } catch (const std::system_error&) {
      break;  // the system's limit; the existing threads run all parts
    }
  }
}

ThreadPool::~ThreadPool() {
  shared_->stop.store(true, std::memory_order_relaxed);
  shared_->Publish(shared_->parts);
  for (std::thread& worker : shared_->workers) worker.join();
}

void ThreadPool::Run(const std::function<void(int)>& body) {
  if (threads_ == 1) {
    body(0);
    return;
  }
  Shared& shared = *shared_;
  shared.body = &body;
  shared.unfinished.store(threads_, std::memory_order_relaxed);
  shared.Publish(1);
  shared.RunPart(0);
  shared.RunWhatIsLeft();
  for (int left; (left = shared.unfinished.load(std::memory_order_acquire)) > 0;) {
    SpinWait(shared.unfinished, left);
  }
  if (shared.error) std::rethrow_exception(std::exchange(shared.error, nullptr));
}

namespace {

int ConfiguredThreads() {
  constexpr int kMaxThreads = 9999;
  const char* text = std::getenv("CONVLSTM_THREADS");
  if (!text || !*text) return AvailableProcessors();
  char* end;
  const long threads = std::strtol(text, &end, 10);
  if (*end != '\0' || threads < 1 || threads > kMaxThreads) {
    throw Error(ErrorCode::kOption, "CONVLSTM_THREADS: expected a number from 1 to " +
                                        std::to_string(kMaxThreads) + ", got " + text);
  }
  return static_cast<int>(threads);
}

}  // namespace

ThreadPool& GlobalThreadPool() {
  static ThreadPool& pool = *std::make_unique<ThreadPool>(ConfiguredThreads()).release();
  return pool;
}

}  // namespace convlstm::cpu
