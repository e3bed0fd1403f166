// The devices of this process.
#ifndef CONVLSTM_ADDON_ENGINES_H_
#define CONVLSTM_ADDON_ENGINES_H_

#include "core/storage.h"
#include "runtime/engine.h"

namespace convlstm::addon {

// The engine that has the storage's elements.
Engine& EngineOf(const Storage& storage);

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_ENGINES_H_
