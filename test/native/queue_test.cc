#include "runtime/queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace convlstm {

TEST_SUITE("core") {
  TEST_CASE("tasks run in order, on one other thread") {
    Queue queue;
    std::vector<int> order;
    std::vector<std::thread::id> ids;
    Queue::Ticket last = 0;
    for (int k = 0; k < 5000; ++k) {
      last = queue.Enqueue([&, k] {
        order.push_back(k);
        ids.push_back(std::this_thread::get_id());
      });
    }
    queue.Wait(last);
    REQUIRE(order.size() == 5000);
    for (int k = 0; k < 5000; ++k) REQUIRE(order[k] == k);
    for (const std::thread::id id : ids) REQUIRE(id == ids[0]);
    CHECK(ids[0] != std::this_thread::get_id());
  }

  TEST_CASE("tickets tell whether a task has run") {
    Queue queue;
    bool ran = false;
    const Queue::Ticket slow =
        queue.Enqueue([] { std::this_thread::sleep_for(std::chrono::milliseconds(30)); });
    const Queue::Ticket last = queue.Enqueue([&] { ran = true; });
    CHECK(last > slow);
    CHECK(!queue.SpinUntilDone(last, std::chrono::microseconds(10)));
    queue.Wait(last);
    CHECK(ran);
    CHECK(queue.Done(slow));
    CHECK(queue.SpinUntilDone(last, std::chrono::microseconds(0)));
  }

  TEST_CASE("a task is destroyed before it counts as done") {
    Queue queue;
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = held;
    queue.Wait(queue.Enqueue([held = std::move(held)] {}));
    CHECK(watched.expired());
  }

  TEST_CASE("a sleeping queue wakes up, and several threads may enqueue") {
    Queue queue;
    int sum = 0;  // accessed by the queue's thread only
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int k = 0; k < 200; ++k) {
          if (k % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
          const Queue::Ticket ticket = queue.Enqueue([&] { ++sum; });
          if (k % 10 == 0) queue.Wait(ticket);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    queue.Wait(queue.Enqueue([] {}));
    CHECK(sum == 800);
  }

  TEST_CASE("Stop waits for the running task, and starts no other") {
    const auto in = [](int milliseconds) {
      return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    };
    Queue queue;
    std::atomic<int> begun = 0, ended = 0;
    for (int k = 0; k < 3; ++k) {
      queue.Enqueue([&] {
        ++begun;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        ++ended;
      });
    }
    while (begun == 0) std::this_thread::yield();
    queue.Stop(in(1));  // before that is done
    queue.Stop(in(60'000));
    CHECK(begun == ended);
    CHECK(begun == 1);
    CHECK_FALSE(queue.Done(2));
  }

  TEST_CASE("enqueued tasks run before the queue is destroyed") {
    int ran = 0;
    {
      Queue queue;
      for (int k = 0; k < 100; ++k) queue.Enqueue([&] { ++ran; });
    }
    CHECK(ran == 100);
  }
}

}  // namespace convlstm
