// The convolutions of `Backend` in binding.d.ts: conv2d, convLstm and their backward passes.
#ifndef CONVLSTM_ADDON_CONVOLUTIONS_H_
#define CONVLSTM_ADDON_CONVOLUTIONS_H_

#include <napi.h>

namespace convlstm::addon {

Napi::Value Conv2d(const Napi::CallbackInfo& info);
Napi::Value ConvLstm(const Napi::CallbackInfo& info);
Napi::Value ConvLstmStack(const Napi::CallbackInfo& info);
Napi::Value Conv2dBackward(const Napi::CallbackInfo& info);
Napi::Value ConvLstmBackward(const Napi::CallbackInfo& info);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_CONVOLUTIONS_H_
