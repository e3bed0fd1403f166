// The NVIDIA GPUs of this machine, or why there is none.
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
  std::string driver;   // the CUDA version it has: "13.0"
  std::string kernels;  // the family that is chosen: "tensor cores" or "FMA"
  std::string reason;   // why it cannot be used; empty where it can
};

struct Devices {
  std::vector<DeviceInfo> devices;
  std::string reason;  // why none can be used; empty where one can
};

// With at least one.
inline Devices DevicesOf(std::vector<DeviceInfo> devices) {
  const DeviceInfo first = devices.front();
  for (const DeviceInfo& device : devices) {
    if (device.reason.empty()) return {std::move(devices), ""};
  }
  return {std::move(devices), first.name + ": " + first.reason};
}

// Looks once per process; never throws for want of a driver or a device.
const Devices& ListDevices();

// Opened at the first call. Throws Error(kDevice) for one that is not there or cannot be used.
Engine& EngineOf(int device);

// Those that have been opened, by number.
std::map<int, Engine*> OpenEngines();

// The engine whose memory it is. Throws Error(kDevice) where none is.
Engine& EngineOf(const Memory& memory);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_ENGINES_H_
