#include "cpu/thread_pool.h"

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
  // Counts calls of Run; a new number is the signal to start, and `body` is valid from it on.
  std::atomic<uint32_t> call{0};
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
  const std::function<void(int)>* body = nullptr;
  std::mutex error_mutex;
  std::exception_ptr error;
  std::vector<std::thread> workers;

  void RunPart(int part) {
    try {
      (*body)(part);
    } catch (...) {
      std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  void Work(int part) {
    for (uint32_t seen = 0;;) {
      SpinWait(call, seen);
      ++seen;
      if (stop.load(std::memory_order_relaxed)) return;
      RunPart(part);
      if (running.fetch_sub(1) == 1) running.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads), shared_(std::make_unique<Shared>()) {
  for (int part = 1; part < threads_; ++part) {
    try {
      shared_->workers.emplace_back([shared = shared_.get(), part] { shared->Work(part); });
    } catch (const std::system_error&) {
      threads_ = part;  // the system gives no more
    }
  }
}

ThreadPool::~ThreadPool() {
  shared_->stop.store(true, std::memory_order_relaxed);
  shared_->call.fetch_add(1);
  shared_->call.notify_all();
  for (std::thread& worker : shared_->workers) worker.join();
}

void ThreadPool::Run(const std::function<void(int)>& body) {
  if (threads_ == 1) {
    body(0);
    return;
  }
  Shared& shared = *shared_;
  shared.body = &body;
  shared.running.store(threads_ - 1, std::memory_order_relaxed);
  shared.call.fetch_add(1);
  shared.call.notify_all();
  shared.RunPart(0);
  for (int running; (running = shared.running.load(std::memory_order_acquire)) > 0;) {
    SpinWait(shared.running, running);
  }
  if (shared.error) std::rethrow_exception(std::exchange(shared.error, nullptr));
}

namespace {

int ConfiguredThreads() {
  constexpr int kMaxThreads = 1024;
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
