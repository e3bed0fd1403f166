#include "cuda/engines.h"

#include <cuda_runtime.h>

#include <fstream>
#include <map>
#include <memory>
#include <mutex>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/engine.h"

namespace convlstm::cuda {
namespace {

constexpr int kNeededDriver = 580;  // the first with CUDA 13

// CUDA's 13020 is version 13.2.
std::string VersionName(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// "470", or empty where the kernel does not tell.
std::string DriverBranch() {
  std::ifstream file("/sys/module/nvidia/version");
  std::string version;
  std::getline(file, version);
  return version.substr(0, version.find('.'));
}

std::string WhyNone(cudaError_t error) {
  int driver = 0, runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "no driver";
  if (cudaRuntimeGetVersion(&runtime) == cudaSuccess &&
      (error == cudaErrorInsufficientDriver || driver / 1000 < runtime / 1000)) {
    const std::string branch = DriverBranch();
    return branch.empty()
               ? "driver too old: CUDA " + VersionName(driver) + " < " + VersionName(runtime)
               : "driver too old: " + branch + " < " + std::to_string(kNeededDriver);
  }
  if (error == cudaSuccess || error == cudaErrorNoDevice) return "no device";
  return cudaGetErrorString(error);
}

Devices Look() {
  constexpr int kTuring = 75;
  int count = 0, driver = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) return {{}, WhyNone(error)};
  cudaDriverGetVersion(&driver);
  Devices found;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    const cudaError_t failure = cudaGetDeviceProperties(&properties, device);
    if (failure != cudaSuccess) return {{}, cudaGetErrorString(failure)};
    const std::string capability =
        std::to_string(properties.major) + "." + std::to_string(properties.minor);
    if (properties.major * 10 + properties.minor < kTuring) {
      return {{},
              std::string("device too old: ") + properties.name + " has " + capability + " < 7.5"};
    }
    found.devices.push_back({properties.name, capability, properties.totalGlobalMem,
                             VersionName(driver), properties.major >= 8 ? "tensor cores" : "FMA"});
  }
  return found;
}

// By number. Never destroyed.
std::mutex engines_mutex;
std::map<int, Engine*>& Engines() {
  using Map = std::map<int, Engine*>;
  static Map& engines = *std::make_unique<Map>().release();
  return engines;
}

}  // namespace

const Devices& ListDevices() {
  static const Devices& devices = *std::make_unique<const Devices>(Look()).release();
  return devices;
}

Engine& EngineOf(int device) {
  const Devices& found = ListDevices();
  if (static_cast<size_t>(device) >= found.devices.size()) {
    throw Error(ErrorCode::kDevice,
                "device 'cuda:" + std::to_string(device) + "' is not available: " +
                    (found.reason.empty() ? "there are " + std::to_string(found.devices.size())
                                          : found.reason));
  }
  std::lock_guard lock(engines_mutex);
  Engine*& engine = Engines()[device];
  if (engine == nullptr) engine = &OpenEngine(device);
  return *engine;
}

Engine& EngineOf(const Memory& memory) {
  std::lock_guard lock(engines_mutex);
  for (const auto& [device, engine] : Engines()) {
    if (engine != nullptr && &engine->memory() == &memory) return *engine;
  }
  throw Error(ErrorCode::kDevice, "a storage of a device that is not open");
}

}  // namespace convlstm::cuda
