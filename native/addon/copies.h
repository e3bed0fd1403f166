// Copies between the devices of this process.
#ifndef CONVLSTM_ADDON_COPIES_H_
#define CONVLSTM_ADDON_COPIES_H_

#include <napi.h>

namespace convlstm::addon {

// `copy` of `Backend` in binding.d.ts.
Napi::Value Copy(const Napi::CallbackInfo& info);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_COPIES_H_
