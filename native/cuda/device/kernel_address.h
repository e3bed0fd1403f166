#ifndef CONVLSTM_CUDA_DEVICE_KERNEL_ADDRESS_H_
#define CONVLSTM_CUDA_DEVICE_KERNEL_ADDRESS_H_

#ifdef CONVLSTM_SIMT
#include "simt/kernel_address.h"
#else

namespace convlstm::cuda {

// A kernel as the CUDA runtime's functions take it.
template <typename... Parameters>
const void* KernelAddress(void (*kernel)(Parameters...)) {
  return reinterpret_cast<const void*>(kernel);
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_SIMT
#endif  // CONVLSTM_CUDA_DEVICE_KERNEL_ADDRESS_H_
