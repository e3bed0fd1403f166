// The optimizers' steps of the binding contract (binding.d.ts).
#ifndef CONVLSTM_ADDON_OPTIMIZERS_H_
#define CONVLSTM_ADDON_OPTIMIZERS_H_

#include <napi.h>

namespace convlstm::addon {

void AddOptimizers(Napi::Object backend);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_OPTIMIZERS_H_
