// The optimizers' steps of `Backend` in binding.d.ts.
#ifndef CONVLSTM_ADDON_OPTIMIZERS_H_
#define CONVLSTM_ADDON_OPTIMIZERS_H_

#include <napi.h>

namespace convlstm::addon {

Napi::Value SgdStep(const Napi::CallbackInfo& info);
Napi::Value RmspropStep(const Napi::CallbackInfo& info);
Napi::Value AdamStep(const Napi::CallbackInfo& info);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_OPTIMIZERS_H_
