// Task queue of one device: runs tasks in order on a thread of its own, off the event loop and
// libuv's thread pool.
#ifndef CONVLSTM_RUNTIME_QUEUE_H_
#define CONVLSTM_RUNTIME_QUEUE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace convlstm {

class Queue {
 public:
  // A task's position in the queue; ascending.
  using Ticket = uint64_t;

  Queue();
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Thread-safe; returns at once. A task must not throw: an operation stores its error in its
  // results.
  Ticket Enqueue(std::function<void()> task);

  // True if this task and all before it have run; their writes are then visible to the caller.
  bool Done(Ticket ticket) const;

  // Spins until Done(ticket), at most for `time`; returns Done(ticket).
  bool SpinUntilDone(Ticket ticket, std::chrono::microseconds time) const;

  // Blocks until Done(ticket).
  void Wait(Ticket ticket) const;

  // For process exit: starts no further task and waits for the running one, until `deadline` at
  // most. Tasks still queued never run.
  void Stop(std::chrono::steady_clock::time_point deadline);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

// The CPU's queue, shared by all JavaScript threads of the process; never destroyed.
Queue& CpuQueue();

}  // namespace convlstm

#endif  // CONVLSTM_RUNTIME_QUEUE_H_
