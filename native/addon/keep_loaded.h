#ifndef CONVLSTM_ADDON_KEEP_LOADED_H_
#define CONVLSTM_ADDON_KEEP_LOADED_H_

namespace convlstm::addon {

// Keeps this binary loaded until the process ends: the queue's thread goes on running when a worker
// ends and its environment unloads the addon.
void KeepLoaded();

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_KEEP_LOADED_H_
