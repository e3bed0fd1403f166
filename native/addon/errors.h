// Converts native errors to JavaScript errors.
#ifndef CONVLSTM_ADDON_ERRORS_H_
#define CONVLSTM_ADDON_ERRORS_H_

#include <napi.h>

#include <exception>

namespace convlstm::addon {

// A JavaScript Error whose `code` is that of a convlstm::Error, ERR_OUT_OF_MEMORY for
// std::bad_alloc, else ERR_INTERNAL.
Napi::Error ToJavaScript(Napi::Env env, const std::exception_ptr& error);

// `Function` as a JavaScript callback that throws ToJavaScript(exception).
template <Napi::Value (*Function)(const Napi::CallbackInfo&)>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  try {
    return Function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw ToJavaScript(info.Env(), std::current_exception());
  }
}

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_ERRORS_H_
