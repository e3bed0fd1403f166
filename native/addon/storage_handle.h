// The class `Storage` of binding.d.ts.
#ifndef CONVLSTM_ADDON_STORAGE_HANDLE_H_
#define CONVLSTM_ADDON_STORAGE_HANDLE_H_

#include <napi.h>

#include "core/storage.h"

namespace convlstm::addon {

class Environment;

class StorageHandle : public Napi::ObjectWrap<StorageHandle> {
 public:
  static Napi::Function DefineClass(Napi::Env env);

  // Called through Environment::Wrap only; throws ERR_OPTION when JavaScript calls it.
  explicit StorageHandle(const Napi::CallbackInfo& info);
  ~StorageHandle() override;

  const StoragePtr& storage() const { return storage_; }  // null after dispose()

 private:
  Napi::Value Length(const Napi::CallbackInfo& info);
  Napi::Value Disposed(const Napi::CallbackInfo& info);
  Napi::Value Data(const Napi::CallbackInfo& info);
  Napi::Value DataSync(const Napi::CallbackInfo& info);
  Napi::Value Dispose(const Napi::CallbackInfo& info);

  void Release(Environment& environment);

  StoragePtr storage_;
  int64_t elements_ = 0;
};

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_STORAGE_HANDLE_H_
