#include <cuda_runtime.h>

#include "cuda/device_info.h"

namespace convlstm::cuda {
namespace {

// CUDA's 13020 is version 13.2.
std::string VersionName(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string WhyNone(cudaError_t error) {
  int driver = 0, runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "no NVIDIA driver";
  if (cudaRuntimeGetVersion(&runtime) == cudaSuccess && error == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver is too old: found one for CUDA " + VersionName(driver) +
           ", need CUDA " + VersionName(runtime);
  }
  if (error == cudaSuccess || error == cudaErrorNoDevice) return "no NVIDIA GPU";
  return cudaGetErrorString(error);
}

}  // namespace

Devices ListDevices() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) return {{}, WhyNone(error)};
  Devices found;
  for (int device = 0; device < count; ++device) {
    cudaDeviceProp properties;
    const cudaError_t failure = cudaGetDeviceProperties(&properties, device);
    if (failure != cudaSuccess) {
      found.reason = cudaGetErrorString(failure);
      continue;
    }
    found.devices.push_back(
        {properties.name, std::to_string(properties.major) + "." + std::to_string(properties.minor),
         properties.totalGlobalMem});
  }
  if (!found.devices.empty()) found.reason.clear();
  return found;
}

}  // namespace convlstm::cuda
