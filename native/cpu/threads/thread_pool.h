// A small pool for work that is split evenly. Tens of thousands of short parallel sections run per
// second, so waiting threads spin for a moment before they sleep.
#ifndef CONVLSTM_CPU_THREADS_THREAD_POOL_H_
#define CONVLSTM_CPU_THREADS_THREAD_POOL_H_

#include <cstdint>
#include <functional>
#include <memory>

namespace convlstm::cpu {

class ThreadPool {
 public:
  // `threads` counts the caller of Run.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(part) once for every part in [0, threads()) and returns when all have returned. The
  // caller runs part 0 and then what no thread has come for: one that is asleep, or that the system
  // gives no processor, holds nothing up. So parts must not wait for each other. An exception of a
  // part is rethrown here. One caller at a time; not reentrant.
  void Run(const std::function<void(int)>& body);

 private:
  struct Shared;
  int threads_;
  std::unique_ptr<Shared> shared_;
};

// The pool of this process: CONVLSTM_THREADS, else the processors this process may use. Never
// destroyed, so that process exit during a call is harmless.
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
