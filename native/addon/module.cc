// What the binary exports: `Addon` of binding.d.ts.
#include <napi.h>

#include <memory>

#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/info.h"
#include "addon/keep_loaded.h"
#include "addon/operations.h"
#include "core/buffer.h"

namespace convlstm::addon {
namespace {

Napi::Value EmptyCache(const Napi::CallbackInfo& info) {
  EmptyBufferCache();
  return info.Env().Undefined();
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  KeepLoaded();
  env.SetInstanceData(std::make_unique<Environment>(env).release());
  exports.Set("cpu", CpuBackend(env));
  exports.Set("info", Napi::Function::New<Guarded<Info>>(env, "info"));
  exports.Set("emptyCache", Napi::Function::New<Guarded<EmptyCache>>(env, "emptyCache"));
  return exports;
}

}  // namespace

NODE_API_MODULE(convlstm, Initialize)

}  // namespace convlstm::addon
