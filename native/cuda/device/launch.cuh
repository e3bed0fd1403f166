#ifndef CONVLSTM_CUDA_DEVICE_LAUNCH_CUH_
#define CONVLSTM_CUDA_DEVICE_LAUNCH_CUH_

#include <algorithm>
#include <cstdint>

#include "cuda/device/device.h"

namespace convlstm::cuda {

template <typename... Parameters, typename... Arguments>
void Launch(Device& device, const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
            int shared_bytes, Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = device.stream();
  // cudaLaunchKernelEx returns its own status; cudaGetLastError might return that of another call.
  device.CheckLaunch(name, [&] { return cudaLaunchKernelEx(&config, kernel, arguments...); });
}

// The grid of a kernel whose threads stride over `count` > 0 elements.
constexpr int kStrideThreads = 256;
inline dim3 StridedGrid(const Device& device, int64_t count) {
  const int64_t wanted = (count + kStrideThreads - 1) / kStrideThreads;
  return dim3(
      static_cast<unsigned>(std::min<int64_t>(wanted, int64_t{16} * device.multiprocessors())));
}
template <typename... Parameters, typename... Arguments>
void LaunchStrided(Device& device, const char* name, void (*kernel)(Parameters...), int64_t count,
                   Arguments... arguments) {
  if (count == 0) return;
  Launch(device, name, kernel, StridedGrid(device, count), dim3(kStrideThreads), 0, arguments...);
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_LAUNCH_CUH_
