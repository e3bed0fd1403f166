// The functions of `Backend` in binding.d.ts.
#ifndef CONVLSTM_ADDON_OPERATIONS_H_
#define CONVLSTM_ADDON_OPERATIONS_H_

#include <napi.h>

namespace convlstm::addon {

Napi::Object CpuBackend(Napi::Env env);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_OPERATIONS_H_
