#include "addon/storage_handle.h"

#include <exception>
#include <memory>
#include <utility>

#include "addon/engines.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "core/error.h"
#include "cpu/frames/layout.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::addon {
namespace {

Error DisposedError() { return {ErrorCode::kDisposed, "the storage was disposed"}; }

// Copies small storages on the event loop's thread: 64 KiB take 64 us at 1 GB/s.
void CopyHere(const Storage& storage, float* out) {
  static cpu::ThreadPool& this_thread = *std::make_unique<cpu::ThreadPool>(1).release();
  cpu::CopyRowMajor(storage, out, this_thread);
}
bool MayCopyHere(const Storage& storage) {
  return &storage.memory() == &HostMemory() && storage.bytes() <= 64 * 1024;
}

Napi::Value Float32Array(const Napi::ArrayBuffer& bytes, int64_t elements) {
  return Napi::Float32Array::New(bytes.Env(), elements, bytes, 0);
}

}  // namespace

Napi::Function StorageHandle::DefineClass(Napi::Env env) {
  return ObjectWrap::DefineClass(env, "Storage",
                                 {InstanceAccessor<&StorageHandle::Length>("length"),
                                  InstanceAccessor<&StorageHandle::Disposed>("disposed"),
                                  InstanceMethod<&StorageHandle::Data>("data"),
                                  InstanceMethod<&StorageHandle::DataSync>("dataSync"),
                                  InstanceMethod<&StorageHandle::Dispose>("dispose")});
}

StorageHandle::StorageHandle(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Environment& environment = Environment::Of(info.Env());
  storage_ = std::exchange(environment.being_wrapped_, nullptr);
  if (!storage_) {
    throw ToJavaScript(info.Env(),
                       std::make_exception_ptr(
                           Error(ErrorCode::kOption, "Storage: made by operations, not by new")));
  }
  elements_ = storage_->elements();
  environment.handles_.insert(this);
  environment.Hold(info.Env(), static_cast<int64_t>(storage_->bytes()));
}

StorageHandle::~StorageHandle() {
  // When an environment ends, its instance data is freed before the last handles.
  Environment* environment = Env().GetInstanceData<Environment>();
  if (!environment) return;
  environment->handles_.erase(this);
  Release(*environment);
}

void StorageHandle::Release(Environment& environment) {
  if (!storage_) return;
  environment.Hold(Env(), -static_cast<int64_t>(storage_->bytes()));
  storage_.reset();
}

Napi::Value StorageHandle::Length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(elements_));
}

Napi::Value StorageHandle::Disposed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), storage_ == nullptr);
}

Napi::Value StorageHandle::Dispose(const Napi::CallbackInfo& info) {
  Release(Environment::Of(info.Env()));
  return info.Env().Undefined();
}

Napi::Value StorageHandle::Data(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  const auto deferred = Napi::Promise::Deferred::New(env);
  environment.ReportHeld(env);
  try {
    if (!storage_) throw DisposedError();
    auto bytes = environment.NewArrayBuffer(env, storage_->bytes());
    Engine& engine = EngineOf(*storage_);
    if (MayCopyHere(*storage_) && environment.Settled(engine.queue())) {
      CopyHere(*storage_, static_cast<float*>(bytes.Data()));
      deferred.Resolve(Float32Array(bytes, elements_));
    } else {
      environment.Enqueue(engine.queue(),
                          environment.downloads().Add(engine, storage_, bytes, deferred));
    }
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  } catch (...) {
    deferred.Reject(ToJavaScript(env, std::current_exception()).Value());
  }
  return deferred.Promise();
}

Napi::Value StorageHandle::DataSync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  environment.ReportHeld(env);
  try {
    if (!storage_) throw DisposedError();
    auto bytes = environment.NewArrayBuffer(env, storage_->bytes());
    float* out = static_cast<float*>(bytes.Data());
    Engine& engine = EngineOf(*storage_);
    if (MayCopyHere(*storage_)) {
      environment.WaitUntilSettled(engine.queue());
      CopyHere(*storage_, out);
    } else {
      std::exception_ptr failure;
      environment.Enqueue(engine.queue(), [&engine, storage = storage_, out, &failure] {
        try {
          engine.StartDownload(storage)(out);
        } catch (...) {
          failure = std::current_exception();
        }
      });
      environment.WaitUntilSettled(engine.queue());
      if (failure) std::rethrow_exception(failure);
    }
    return Float32Array(bytes, elements_);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw ToJavaScript(env, std::current_exception());
  }
}

}  // namespace convlstm::addon
