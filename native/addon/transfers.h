// Transfers to a device, from JavaScript or from another device of this process.
#ifndef CONVLSTM_ADDON_TRANSFERS_H_
#define CONVLSTM_ADDON_TRANSFERS_H_

#include <napi.h>

namespace convlstm::addon {

// `upload` and `copy` of `Backend` in binding.d.ts.
Napi::Value Upload(const Napi::CallbackInfo& info);
Napi::Value Copy(const Napi::CallbackInfo& info);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_TRANSFERS_H_
