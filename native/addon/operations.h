// `Backend` of binding.d.ts.
#ifndef CONVLSTM_ADDON_OPERATIONS_H_
#define CONVLSTM_ADDON_OPERATIONS_H_

#include <napi.h>

#include "runtime/engine.h"

namespace convlstm::addon {

Napi::Object MakeBackend(Napi::Env env, Engine& engine);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_OPERATIONS_H_
