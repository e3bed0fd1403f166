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
  std::atomic<bool> at_work{false}, stopped{false};
  std::thread thread;

  // Returns the task's ticket. An empty task ends the thread.
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
      at_work = true;  // before reading `stopped`: Stop writes it before reading at_work
      std::function<void()> task = stopped ? nullptr : Pop();
      if (!task) break;
      task();
      task = nullptr;  // frees its captures before waiters see it done
      at_work = false;
      done.store(next);
      done.notify_all();
    }
    at_work = false;
  }
};

Queue::Queue() : shared_(std::make_unique<Shared>()) {
  shared_->thread = std::thread([shared = shared_.get()] {
    RequestLongSlices();
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

void Queue::Stop(std::chrono::steady_clock::time_point deadline) {
  shared_->stopped = true;
  while (shared_->at_work && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

Queue& CpuQueue() {
  static Queue& queue = *std::make_unique<Queue>().release();
  return queue;
}

}  // namespace convlstm
