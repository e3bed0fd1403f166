#include "addon/errors.h"

#include <new>
#include <string>

#include "core/error.h"

namespace convlstm::addon {
namespace {

Napi::Error WithCode(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, NameOf(code)));
  return error;
}

}  // namespace

Napi::Error ToJavaScript(Napi::Env env, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return WithCode(env, e.code(), e.what());
  } catch (const std::bad_alloc&) {
    return WithCode(env, ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& e) {
    return WithCode(env, ErrorCode::kInternal, e.what());
  } catch (...) {
    return WithCode(env, ErrorCode::kInternal, "an exception of unknown type");
  }
}

}  // namespace convlstm::addon
