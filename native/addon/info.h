#ifndef CONVLSTM_ADDON_INFO_H_
#define CONVLSTM_ADDON_INFO_H_

#include <napi.h>

namespace convlstm::addon {

// The object `AddonInfo` of binding.d.ts. Throws Error(kOption) for an invalid CONVLSTM_ISA or
// CONVLSTM_THREADS.
Napi::Value Info(const Napi::CallbackInfo& info);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_INFO_H_
