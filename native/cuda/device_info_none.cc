#include "cuda/device_info.h"

namespace convlstm::cuda {

Devices ListDevices() { return {{}, "this binary was built without CUDA"}; }

}  // namespace convlstm::cuda
