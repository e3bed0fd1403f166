// The queue of one device: runs tasks in order on its own thread, off the event loop and off
// libuv's pool.
#ifndef CONVLSTM_RUNTIME_QUEUE_H_
#define CONVLSTM_RUNTIME_QUEUE_H_

#include <functional>
#include <memory>

namespace convlstm {

class Queue {
 public:
  Queue();
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Thread-safe; returns at once. A task must not throw: operations leave their error in their
  // results.
  void Enqueue(std::function<void()> task);

  // Blocks until every task enqueued before has run.
  void Drain();

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

// The CPU's queue, shared by every JavaScript thread of the process; never destroyed.
Queue& CpuQueue();

}  // namespace convlstm

#endif  // CONVLSTM_RUNTIME_QUEUE_H_
