#include "addon/info.h"

#include <map>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/kernel_choice.h"
#include "cpu/simd/cpu_features.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"
#include "cuda/engines.h"

namespace convlstm::addon {
namespace {

Napi::Array Strings(Napi::Env env, const std::vector<std::string>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t k = 0; k < values.size(); ++k) array.Set(k, values[k]);
  return array;
}

Napi::Object Cpu(Napi::Env env) {
  std::vector<std::string> isas;
  for (const cpu::Isa isa : cpu::AvailableIsas()) isas.emplace_back(cpu::IsaName(isa));
  Napi::Object object = Napi::Object::New(env);
  object.Set("features", Strings(env, cpu::CpuFeatureNames()));
  object.Set("isa", cpu::IsaName(cpu::CurrentIsa()));
  object.Set("isas", Strings(env, isas));
  object.Set("threads", cpu::GlobalThreadPool().threads());
  return object;
}

Napi::Object Cuda(Napi::Env env) {
  const cuda::Devices& found = cuda::ListDevices();
  const std::map<int, Engine*> open = cuda::OpenEngines();
  Napi::Array devices = Napi::Array::New(env, found.devices.size());
  for (uint32_t k = 0; k < found.devices.size(); ++k) {
    const cuda::DeviceInfo& info = found.devices[k];
    Napi::Object device = Napi::Object::New(env);
    device.Set("name", info.name);
    device.Set("computeCapability", info.compute_capability);
    device.Set("memoryBytes", static_cast<double>(info.memory_bytes));
    const auto engine = open.find(static_cast<int>(k));
    const BufferStatistics memory =
        engine == open.end() ? BufferStatistics{0, 0} : engine->second->Statistics();
    device.Set("liveBytes", static_cast<double>(memory.live_bytes));
    device.Set("cachedBytes", static_cast<double>(memory.cached_bytes));
    device.Set("driver", info.driver);
    device.Set("kernels", info.kernels);
    device.Set("reason", info.reason);
    devices.Set(k, device);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("devices", devices);
  object.Set("reason", found.reason);
  return object;
}

Napi::Object Memory(Napi::Env env) {
  const BufferStatistics statistics = GetBufferStatistics();
  Napi::Object object = Napi::Object::New(env);
  object.Set("liveBytes", static_cast<double>(statistics.live_bytes));
  object.Set("cachedBytes", static_cast<double>(statistics.cached_bytes));
  return object;
}

}  // namespace

Napi::Value Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object object = Napi::Object::New(env);
  object.Set("version", CONVLSTM_VERSION);
  object.Set("cpu", Cpu(env));
  object.Set("cuda", Cuda(env));
  object.Set("kernels", Strings(env, cpu::ChosenKernels()));
  object.Set("memory", Memory(env));
  return object;
}

}  // namespace convlstm::addon
