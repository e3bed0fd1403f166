#include "runtime/queue.h"

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "core/spin_wait.h"
#include "core/system.h"

namespace convlstm {

struct Queue::Shared {
  std::mutex mutex;
  std::deque<std::function<void()>> tasks;
  std::atomic<Ticket> enqueued{0};
  std::atomic<Ticket> done{0};
  std::thread thread;

  // Returns the number of the task that was added. An empty task stops the thread.
  Ticket Push(std::function<void()> task) {
    Ticket ticket;
    {
      std::lock_guard lock(mutex);
      tasks.push_back(std::move(task));
      ticket = enqueued.fetch_add(1) + 1;
    }
    enqueued.notify_one();
    return ticket;
  }

  std::function<void()> Pop() {
    std::lock_guard lock(mutex);
    std::function<void()> task = std::move(tasks.front());
    tasks.pop_front();
    return task;
  }

  void Work() {
    for (Ticket next = 1;; ++next) {
      if (enqueued.load(std::memory_order_acquire) < next) SpinWait(enqueued, next - 1);
      std::function<void()> task = Pop();
      if (!task) return;
      task();
      task = nullptr;  // drops what it held before anyone is told that it is done
      done.store(next);
      done.notify_all();
    }
  }
};

Queue::Queue() : shared_(std::make_unique<Shared>()) {
  shared_->thread = std::thread([shared = shared_.get()] {
    LetOthersIn();
    shared->Work();
  });
}

Queue::~Queue() {
  shared_->Push(nullptr);
  shared_->thread.join();
}

Queue::Ticket Queue::Enqueue(std::function<void()> task) { return shared_->Push(std::move(task)); }

bool Queue::Done(Ticket ticket) const {
  return shared_->done.load(std::memory_order_acquire) >= ticket;
}

bool Queue::SpinUntilDone(Ticket ticket, std::chrono::microseconds time) const {
  return SpinUntil([&] { return Done(ticket); }, time);
}

void Queue::Wait(Ticket ticket) const {
  for (Ticket done; (done = shared_->done.load(std::memory_order_acquire)) < ticket;) {
    SpinWait(shared_->done, done);
  }
}

void Queue::Drain() const { Wait(shared_->enqueued.load(std::memory_order_acquire)); }

Queue& CpuQueue() {
  static Queue& queue = *std::make_unique<Queue>().release();
  return queue;
}

}  // namespace convlstm
