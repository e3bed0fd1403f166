// The NVIDIA GPUs of this machine, or the reason why there are none.
#ifndef CONVLSTM_CUDA_ENGINES_H_
#define CONVLSTM_CUDA_ENGINES_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "runtime/engine.h"

namespace convlstm::cuda {

struct DeviceInfo {
  std::string name;
  std::string compute_capability;  // "9.0"
  size_t memory_bytes;
  std::string driver;   // its CUDA version: "13.0"
  std::string kernels;  // the chosen family: "tensor cores" or "FMA"
  std::string reason;   // why it cannot be used; empty if it can
};

struct Devices {
  std::vector<DeviceInfo> devices;
  std::string reason;  // why none can be used; empty if one can
};

// `devices` must not be empty.
inline Devices DevicesOf(std::vector<DeviceInfo> devices) {
  const DeviceInfo first = devices.front();
  for (const DeviceInfo& device : devices) {
    if (device.reason.empty()) return {std::move(devices), ""};
  }
  return {std::move(devices), first.name + ": " + first.reason};
}

// Queried once per process. Does not throw if there is no driver or no device.
const Devices& ListDevices();

// The engine of a device, opened at the first call. Throws Error(kDevice) for a device that does
// not exist or cannot be used.
Engine& EngineOf(int device);

// The opened engines, by device number.
std::map<int, Engine*> OpenEngines();

// The engine that owns `memory`. Throws Error(kDevice) if none does.
Engine& EngineOf(const Memory& memory);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_ENGINES_H_
