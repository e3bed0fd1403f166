// Which NVIDIA GPUs there are, or why there is none.
#ifndef CONVLSTM_CUDA_DEVICE_INFO_H_
#define CONVLSTM_CUDA_DEVICE_INFO_H_

#include <cstddef>
#include <string>
#include <vector>

namespace convlstm::cuda {

struct DeviceInfo {
  std::string name;
  std::string compute_capability;  // "9.0"
  size_t memory_bytes;
};

struct Devices {
  std::vector<DeviceInfo> devices;
  std::string reason;  // empty when there is a device
};

// Never throws for want of a driver or a device.
Devices ListDevices();

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_INFO_H_
