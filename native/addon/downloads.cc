#include "addon/downloads.h"

#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "addon/errors.h"

namespace convlstm::addon {

// State shared by the queue's thread and the environment. It outlives the environment if a worker
// is terminated with tasks still queued.
struct Downloads::Port {
  struct Finished {
    uint64_t id;
    std::exception_ptr error;
  };

  // Held while a buffer is written, until the event loop has been notified; Close waits for it.
  std::mutex writing;
  bool closed = false;
  napi_threadsafe_function wake_up = nullptr;

  std::mutex mutex;
  std::vector<Finished> finished;

  void Write(uint64_t id, const Engine::Download& download, float* out) {
    std::lock_guard lock(writing);
    if (closed) return;
    std::exception_ptr error;
    try {
      download(out);
    } catch (...) {
      error = std::current_exception();
    }
    bool first;
    {
      std::lock_guard finished_lock(mutex);
      first = finished.empty();
      finished.push_back({id, error});
    }
    if (first) napi_call_threadsafe_function(wake_up, nullptr, napi_tsfn_nonblocking);
  }

  // Called before the environment frees its buffers: none is written afterwards.
  static void Close(void* port) {
    std::lock_guard lock(static_cast<Port*>(port)->writing);
    static_cast<Port*>(port)->closed = true;
  }
};

Downloads::Downloads(Napi::Env env) : port_(std::make_shared<Port>()) {
  napi_value name = Napi::String::New(env, "convlstm.data");
  NAPI_THROW_IF_FAILED_VOID(
      env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                           this, Settle, &port_->wake_up));
  napi_unref_threadsafe_function(env, port_->wake_up);
  // Hooks run in reverse order: added after the function's own hook, this one runs before it.
  NAPI_THROW_IF_FAILED_VOID(env, napi_add_env_cleanup_hook(env, Port::Close, port_.get()));
}

std::function<void()> Downloads::Add(Engine& engine, StoragePtr storage,
                                     const Napi::ArrayBuffer& bytes,
                                     const Napi::Promise::Deferred& deferred) {
  if (pending_.empty()) napi_ref_threadsafe_function(bytes.Env(), port_->wake_up);
  const uint64_t id = next_id_++;
  pending_.emplace(id, Pending{deferred, Napi::Persistent(bytes)});
  return [&engine, port = port_, id, storage = std::move(storage),
          out = static_cast<float*>(Napi::ArrayBuffer(bytes).Data())] {
    Engine::Download download;
    try {
      download = engine.StartDownload(storage);
    } catch (...) {
      download = [error = std::current_exception()](float*) { std::rethrow_exception(error); };
    }
    if (&engine.downloads() == &engine.queue()) {
      port->Write(id, download, out);
    } else {
      engine.downloads().Enqueue(
          [port, id, download = std::move(download), out] { port->Write(id, download, out); });
    }
  };
}

void Downloads::Settle(napi_env env, napi_value, void* context, void*) {
  if (!env) return;  // the environment is ending
  try {
    static_cast<Downloads*>(context)->SettleFinished(env);
  } catch (const Napi::Error&) {
    // A worker being terminated accepts no values, and nobody awaits its promises.
  }
}

void Downloads::SettleFinished(Napi::Env env) {
  std::vector<Port::Finished> finished;
  {
    std::lock_guard lock(port_->mutex);
    finished.swap(port_->finished);
  }
  for (const Port::Finished& result : finished) {
    const auto found = pending_.find(result.id);
    const Pending pending = std::move(found->second);
    pending_.erase(found);
    if (pending_.empty()) napi_unref_threadsafe_function(env, port_->wake_up);
    if (result.error) {
      pending.deferred.Reject(ToJavaScript(env, result.error).Value());
    } else {
      Napi::ArrayBuffer bytes = pending.bytes.Value();
      pending.deferred.Resolve(
          Napi::Float32Array::New(env, bytes.ByteLength() / sizeof(float), bytes, 0));
    }
  }
}

}  // namespace convlstm::addon
