// A pool for evenly split work. Tens of thousands of short parallel sections run per second, so
// waiting threads spin for a moment before they sleep.
#ifndef CONVLSTM_CPU_THREADS_THREAD_POOL_H_
#define CONVLSTM_CPU_THREADS_THREAD_POOL_H_

#include <cstdint>
#include <functional>
#include <memory>

namespace convlstm::cpu {

class ThreadPool {
 public:
  // `threads` includes the caller of Run.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(part) once for every part in [0, threads()) and returns when all have returned. The
  // caller runs part 0 and then every part that no thread has taken, so a thread that sleeps or
  // gets no processor holds nothing up. Parts must not wait for each other. Rethrows the first
  // exception of a part. One caller at a time; not reentrant.
  void Run(const std::function<void(int)>& body);

 private:
  struct Shared;
  int threads_;
  std::unique_ptr<Shared> shared_;
};

// The process's pool, of CONVLSTM_THREADS threads, else as many as the processors it may use.
// Throws Error(kOption) when CONVLSTM_THREADS is no number from 1 to 9999. Never destroyed, so that
// process exit during a call is harmless.
ThreadPool& GlobalThreadPool();

// Part `part` of `parts` near-equal parts of [0, count).
struct Range {
  int64_t begin;
  int64_t end;
};
inline Range SplitRange(int64_t count, int part, int parts) {
  return {count * part / parts, count * (part + 1) / parts};
}

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_THREADS_THREAD_POOL_H_
