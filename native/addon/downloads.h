// Promises for elements still being computed. A thread of the engine copies them into an
// ArrayBuffer that JavaScript has not seen yet; the event loop resolves the promise.
#ifndef CONVLSTM_ADDON_DOWNLOADS_H_
#define CONVLSTM_ADDON_DOWNLOADS_H_

#include <napi.h>

#include <functional>
#include <memory>
#include <unordered_map>

#include "core/storage.h"
#include "runtime/engine.h"

namespace convlstm::addon {

// Pending downloads of one environment; used on its thread. They keep the process alive.
class Downloads {
 public:
  explicit Downloads(Napi::Env env);
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;

  // Returns the task for the engine's queue. It resolves `deferred` with a Float32Array over
  // `bytes` or rejects it with the storage's error.
  std::function<void()> Add(Engine& engine, StoragePtr storage, const Napi::ArrayBuffer& bytes,
                            const Napi::Promise::Deferred& deferred);

  bool idle() const { return pending_.empty(); }

 private:
  struct Pending {
    Napi::Promise::Deferred deferred;
    Napi::Reference<Napi::ArrayBuffer> bytes;
  };
  struct Port;

  static void Settle(napi_env env, napi_value, void* context, void*);
  void SettleFinished(Napi::Env env);

  std::shared_ptr<Port> port_;
  std::unordered_map<uint64_t, Pending> pending_;
  uint64_t next_id_ = 0;
};

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_DOWNLOADS_H_
