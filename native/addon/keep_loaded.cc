#include "addon/keep_loaded.h"

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
#endif

namespace convlstm::addon {

void KeepLoaded() {
#if defined(_WIN32)
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     reinterpret_cast<LPCWSTR>(&KeepLoaded), &module);
#elif defined(__APPLE__)
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&KeepLoaded), &info) != 0) {
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NODELETE);
  }
#endif
  // ELF: linked with -z nodelete.
}

}  // namespace convlstm::addon
