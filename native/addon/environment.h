// What one JavaScript environment (the main thread's or a worker's) has of its own.
#ifndef CONVLSTM_ADDON_ENVIRONMENT_H_
#define CONVLSTM_ADDON_ENVIRONMENT_H_

#include <napi.h>

#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "addon/downloads.h"
#include "core/storage.h"
#include "runtime/queue.h"

namespace convlstm::addon {

class StorageHandle;

// Used on the JavaScript thread only.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  // The new JavaScript object for `storage`.
  Napi::Object Wrap(StoragePtr storage);

  // The storage of a handle made by this environment. Throws Error(kOption) for any other value and
  // Error(kDisposed) after dispose(); `name` is what the message calls it. A share of it, not a
  // reference: reading further arguments may run code of the caller, which may dispose it.
  StoragePtr Unwrap(Napi::Value value, const char* name) const;

  // Throws Error(kOutOfMemory) when there is no memory for it.
  Napi::ArrayBuffer NewArrayBuffer(Napi::Env env, size_t bytes) const;

  // Counts what handles hold (or let go of: negative). V8, which weighs it when it decides whether
  // to collect, is told by ReportHeld, or here once much has come together: a training step that
  // makes and frees 100 MB would else set off a collection each time.
  void Hold(Napi::Env env, int64_t bytes);
  void ReportHeld(Napi::Env env);

  void Enqueue(Queue& queue, std::function<void()> task);

  // Whether nothing that this environment put on the queue can still touch its storages, so that
  // this thread may. Waits for a moment where that is likely to save the way through the event
  // loop.
  bool Settled(const Queue& queue) const;
  void WaitUntilSettled(const Queue& queue) const;

  Downloads& downloads() { return downloads_; }

 private:
  friend class StorageHandle;

  Queue::Ticket LastTicket(const Queue& queue) const;

  Napi::FunctionReference storage_constructor_;
  Napi::FunctionReference array_buffer_constructor_;
  StoragePtr being_wrapped_;  // passed to the constructor of StorageHandle
  int64_t unreported_bytes_ = 0;
  std::unordered_set<const StorageHandle*> handles_;
  Downloads downloads_;
  std::unordered_map<const Queue*, Queue::Ticket> last_tickets_;
};

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_ENVIRONMENT_H_
