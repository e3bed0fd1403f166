#include "addon/environment.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include "addon/storage_handle.h"
#include "core/error.h"
#include "core/system.h"

namespace convlstm::addon {

Environment::Environment(Napi::Env env)
    : storage_constructor_(Napi::Persistent(StorageHandle::DefineClass(env))),
      array_buffer_constructor_(
          Napi::Persistent(env.Global().Get("ArrayBuffer").As<Napi::Function>())),
      downloads_(env) {}

Napi::Object Environment::Wrap(StoragePtr storage) {
  being_wrapped_ = std::move(storage);
  return storage_constructor_.New({});
}

StoragePtr Environment::Unwrap(Napi::Value value, const char* name) const {
  // Another addon or environment may have wrapped the object: only handles listed here are safe to
  // dereference.
  void* wrapped = nullptr;
  if (napi_unwrap(value.Env(), value, &wrapped) == napi_ok) {
    const auto found = handles_.find(static_cast<const StorageHandle*>(wrapped));
    if (found != handles_.end()) {
      const StoragePtr& storage = (*found)->storage();
      if (!storage) throw Error(ErrorCode::kDisposed, std::string(name) + " was disposed");
      return storage;
    }
  }
  throw Error(ErrorCode::kOption, std::string(name) + ": expected a Storage of this backend");
}

Napi::ArrayBuffer Environment::NewArrayBuffer(Napi::Env env, size_t bytes) const {
  // Out of memory, Node-API's function ends the process; the JavaScript constructor, which costs
  // more, throws.
  constexpr size_t kLarge = size_t{1} << 20;
  if (bytes < kLarge) return Napi::ArrayBuffer::New(env, bytes);
  // From this size on the C library maps every block afresh: the page faults of 59 MB would take a
  // tenth of the time of the step that made them.
  constexpr size_t kFresh = size_t{32} << 20;
  try {
    const napi_value length = Napi::Number::New(env, static_cast<double>(bytes));
    auto buffer = array_buffer_constructor_.New({length}).As<Napi::ArrayBuffer>();
    if (bytes > kFresh) PreferHugePages(buffer.Data(), bytes);
    return buffer;
  } catch (const Napi::Error&) {
    throw Error(ErrorCode::kOutOfMemory,
                "out of memory: an ArrayBuffer of " + std::to_string(bytes) + " bytes");
  }
}

void Environment::Hold(Napi::Env env, int64_t bytes) {
  constexpr int64_t kMuch = int64_t{256} << 20;
  unreported_bytes_ += bytes;
  if (std::abs(unreported_bytes_) > kMuch) ReportHeld(env);
}

void Environment::ReportHeld(Napi::Env env) {
  if (unreported_bytes_ == 0) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, std::exchange(unreported_bytes_, 0));
}

void Environment::Enqueue(Queue& queue, std::function<void()> task) {
  Queue::Ticket& last = last_tickets_[&queue];  // may throw, so before the task is enqueued
  last = queue.Enqueue(std::move(task));
}

Queue::Ticket Environment::LastTicket(const Queue& queue) const {
  const auto found = last_tickets_.find(&queue);
  return found == last_tickets_.end() ? 0 : found->second;
}

bool Environment::Settled(const Queue& queue) const {
  // Waking the event loop takes some 50 us, waking the queue's thread as long: spinning for a small
  // step is faster than a trip through the event loop, and keeps the queue's thread awake. With
  // other downloads pending this one does not spin, so that the waits of many calls do not add up.
  constexpr std::chrono::microseconds kWorthWaiting{100};
  return downloads_.idle() ? queue.SpinUntilDone(LastTicket(queue), kWorthWaiting)
                           : queue.Done(LastTicket(queue));
}

void Environment::WaitUntilSettled(const Queue& queue) const { queue.Wait(LastTicket(queue)); }

}  // namespace convlstm::addon
