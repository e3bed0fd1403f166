// The exception type of native code. It never crosses Node-API: native/addon turns it into a
// JavaScript error whose `code` is NameOf(code).
#ifndef CONVLSTM_CORE_ERROR_H_
#define CONVLSTM_CORE_ERROR_H_

#include <stdexcept>
#include <string>

#include "core/names.h"

namespace convlstm {

enum class ErrorCode { kShape, kDtype, kOption, kDevice, kDisposed, kOutOfMemory, kInternal };
// Part of the public API: never renamed.
template <>
inline constexpr auto kNames<ErrorCode> =
    NamesInOrder<ErrorCode>({{ErrorCode::kShape, "ERR_SHAPE"},
                             {ErrorCode::kDtype, "ERR_DTYPE"},
                             {ErrorCode::kOption, "ERR_OPTION"},
                             {ErrorCode::kDevice, "ERR_DEVICE"},
                             {ErrorCode::kDisposed, "ERR_DISPOSED"},
                             {ErrorCode::kOutOfMemory, "ERR_OUT_OF_MEMORY"},
                             {ErrorCode::kInternal, "ERR_INTERNAL"}});

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace convlstm

#endif  // CONVLSTM_CORE_ERROR_H_
