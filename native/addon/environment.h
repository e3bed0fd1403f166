// State of one JavaScript environment: the main thread's or a worker's.
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

  // A new JavaScript `Storage` for `storage`.
  Napi::Object Wrap(StoragePtr storage);

  // The storage of a handle made by this environment. Throws Error(kOption) for any other value and
  // Error(kDisposed) after dispose(); `name` is the argument's, for the message. Returns a share,
  // not a reference: reading further arguments may run the caller's code, which may dispose it.
  StoragePtr Unwrap(Napi::Value value, const char* name) const;

  // Throws Error(kOutOfMemory).
  Napi::ArrayBuffer NewArrayBuffer(Napi::Env env, size_t bytes) const;

  // Counts bytes held by handles; negative for released bytes. V8 considers them when it schedules
  // collections, but learns of them in ReportHeld only, or here above 256 MiB: otherwise a training
  // step that makes and frees 100 MB would trigger a collection each time.
  void Hold(Napi::Env env, int64_t bytes);
  void ReportHeld(Napi::Env env);

  void Enqueue(Queue& queue, std::function<void()> task);

  // True if all tasks that this environment enqueued have run, so that this thread may read its
  // storages. Spins briefly when that is likely to save a trip through the event loop.
  bool Settled(const Queue& queue) const;
  void WaitUntilSettled(const Queue& queue) const;

  Downloads& downloads() { return downloads_; }

 private:
  friend class StorageHandle;

  Queue::Ticket LastTicket(const Queue& queue) const;

  Napi::FunctionReference storage_constructor_;
  Napi::FunctionReference array_buffer_constructor_;
  StoragePtr being_wrapped_;  // argument of the next StorageHandle's constructor
  int64_t unreported_bytes_ = 0;
  std::unordered_set<const StorageHandle*> handles_;
  Downloads downloads_;
  std::unordered_map<const Queue*, Queue::Ticket> last_tickets_;
};

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_ENVIRONMENT_H_
