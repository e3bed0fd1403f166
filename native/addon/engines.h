// The devices of this process.
#ifndef CONVLSTM_ADDON_ENGINES_H_
#define CONVLSTM_ADDON_ENGINES_H_

#include <napi.h>

#include "core/storage.h"
#include "runtime/engine.h"

namespace convlstm::addon {

// The engine that holds the storage's elements.
Engine& EngineOf(const Storage& storage);

// The engine of the `Backend` whose function is called.
inline Engine& EngineOf(const Napi::CallbackInfo& info) {
  return *static_cast<Engine*>(info.Data());
}

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_ENGINES_H_
