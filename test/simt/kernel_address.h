// Host counterpart of native/cuda/device/kernel_address.h.
#ifndef CONVLSTM_TEST_SIMT_KERNEL_ADDRESS_H_
#define CONVLSTM_TEST_SIMT_KERNEL_ADDRESS_H_

#include "simt/simt.h"

namespace convlstm::cuda {

template <typename... Parameters>
const void* KernelAddress(void (*kernel)(Parameters...)) {
  const auto* const address = reinterpret_cast<const void*>(kernel);
  simt::RegisterKernel(address, simt::Bind<Parameters...>);
  return address;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_TEST_SIMT_KERNEL_ADDRESS_H_
