// The queue of one device: runs tasks in order on its own thread, off the event loop and off
// libuv's pool.
#ifndef CONVLSTM_RUNTIME_QUEUE_H_
#define CONVLSTM_RUNTIME_QUEUE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace convlstm {

class Queue {
 public:
  // The place of a task in the queue; tickets ascend.
  using Ticket = uint64_t;

  Queue();
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Thread-safe; returns at once. A task must not throw: operations leave their error in their
  // results.
  Ticket Enqueue(std::function<void()> task);

  // Whether this task and all before it have run; what they wrote is then visible here.
  bool Done(Ticket ticket) const;

  // Spins until Done(ticket), at most for `time`; returns Done(ticket).
  bool SpinUntilDone(Ticket ticket, std::chrono::microseconds time) const;

  // Blocks until Done(ticket).
  void Wait(Ticket ticket) const;

  // For the end of the process: no other task begins, and the one at work is waited for, until
  // `deadline` at most. What has not run by then never does.
  void Stop(std::chrono::steady_clock::time_point deadline);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

// The CPU's queue, shared by every JavaScript thread of the process; never destroyed.
Queue& CpuQueue();

}  // namespace convlstm

#endif  // CONVLSTM_RUNTIME_QUEUE_H_
