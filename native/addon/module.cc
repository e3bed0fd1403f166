// Exports of the binary: `Addon` of binding.d.ts.
#include <napi.h>

#include <limits>
#include <memory>
#include <string>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/info.h"
#include "addon/keep_loaded.h"
#include "addon/operations.h"
#include "core/error.h"
#include "cpu/engine.h"
#include "cuda/engines.h"

namespace convlstm::addon {
namespace {

Napi::Value EmptyCache(const Napi::CallbackInfo& info) {
  cpu::CpuEngine().EmptyCache();
  for (const auto& [device, engine] : cuda::OpenEngines()) engine->EmptyCache();
  return info.Env().Undefined();
}

// `cuda` of `Addon`.
Napi::Value Cuda(const Napi::CallbackInfo& info) {
  const int64_t device = ToInteger(info[0], "device");
  if (device < 0 || device > std::numeric_limits<int>::max()) {
    throw Error(ErrorCode::kOption,
                "device: expected a GPU number from 0, got " + std::to_string(device));
  }
  return MakeBackend(info.Env(), cuda::EngineOf(static_cast<int>(device)));
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  KeepLoaded();
  env.SetInstanceData(std::make_unique<Environment>(env).release());
  exports.Set("cpu", MakeBackend(env, cpu::CpuEngine()));
  exports.Set("cuda", Napi::Function::New<Guarded<Cuda>>(env, "cuda"));
  exports.Set("info", Napi::Function::New<Guarded<Info>>(env, "info"));
  exports.Set("emptyCache", Napi::Function::New<Guarded<EmptyCache>>(env, "emptyCache"));
  return exports;
}

}  // namespace

NODE_API_MODULE(convlstm, Initialize)

}  // namespace convlstm::addon
