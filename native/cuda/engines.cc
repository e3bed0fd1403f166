#include "cuda/engines.h"

#include <cuda_runtime.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cuda/device/device.h"
#include "cuda/engine.h"
#include "cuda/why_none.h"

namespace convlstm::cuda {
namespace {

// The driver's branch, such as "470"; empty if unknown.
std::string DriverBranch() {
  std::ifstream file("/sys/module/nvidia/version");
  std::string version;
  std::getline(file, version);
  return version.substr(0, version.find('.'));
}

DriverAnswers Ask(cudaError_t error) {
  DriverAnswers answers;
  answers.branch = DriverBranch();
  answers.insufficient = error == cudaErrorInsufficientDriver;
  if (cudaDriverGetVersion(&answers.driver) != cudaSuccess) answers.driver = 0;
  cudaRuntimeGetVersion(&answers.runtime);
  if (error != cudaSuccess && error != cudaErrorNoDevice) answers.error = cudaGetErrorString(error);
  return answers;
}

Devices Look() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  const DriverAnswers answers = Ask(error);
  if (error != cudaSuccess || count == 0) return {{}, WhyNone(answers)};
  const std::string driver = VersionName(answers.driver), built = CONVLSTM_CUDA_ARCHITECTURES;
  std::vector<DeviceInfo> devices;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    const cudaError_t failure = cudaGetDeviceProperties(&properties, device);
    if (failure != cudaSuccess) {
      cudaGetLastError();
      devices.push_back({"unknown", "", 0, driver, "", cudaGetErrorString(failure)});
      continue;
    }
    const int major = properties.major, minor = properties.minor;
    const bool tensor_cores = ArchitectureFor(built, major, minor).has_tensor_cores();
    devices.push_back({properties.name, std::to_string(major) + "." + std::to_string(minor),
                       properties.totalGlobalMem, driver, tensor_cores ? "tensor cores" : "FMA",
                       WhyNotDevice(built, major, minor, answers.driver, answers.runtime)});
  }
  return DevicesOf(std::move(devices));
}

// Opened engines by device number. Never destroyed.
std::mutex engines_mutex;
std::map<int, Engine*>& Engines() {
  using Map = std::map<int, Engine*>;
  static Map& engines = *std::make_unique<Map>().release();
  return engines;
}

// Runs at exit before the CUDA runtime's own cleanup, after which its functions must not be called.
void StopQueues() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (const auto& [device, engine] : OpenEngines()) {
    engine->queue().Stop(deadline);
    engine->downloads().Stop(deadline);
  }
}

}  // namespace

const Devices& ListDevices() {
  static const Devices& devices = *std::make_unique<const Devices>(Look()).release();
  return devices;
}

Engine& EngineOf(int device) {
  const auto& [devices, none] = ListDevices();
  std::string why = none;
  if (static_cast<size_t>(device) < devices.size()) {
    why = devices[device].reason;
  } else if (why.empty()) {
    why = "there are " + std::to_string(devices.size());
  }
  if (!why.empty()) {
    throw Error(ErrorCode::kDevice,
                "device 'cuda:" + std::to_string(device) + "' is not available: " + why);
  }
  std::lock_guard lock(engines_mutex);
  const auto open = Engines().find(device);
  if (open != Engines().end()) return *open->second;
  Engine& engine = OpenEngine(device);
  if (Engines().empty()) std::atexit(StopQueues);
  Engines()[device] = &engine;
  return engine;
}

std::map<int, Engine*> OpenEngines() {
  std::lock_guard lock(engines_mutex);
  return Engines();
}

Engine& EngineOf(const Memory& memory) {
  std::lock_guard lock(engines_mutex);
  for (const auto& [device, engine] : Engines()) {
    if (&engine->memory() == &memory) return *engine;
  }
  throw Error(ErrorCode::kDevice, "a storage of a device that is not open");
}

}  // namespace convlstm::cuda
