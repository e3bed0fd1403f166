// The one exception of the core. It never crosses Node-API: native/addon turns it into a JavaScript
// error whose `code` is CodeName(code) .
#ifndef CONVLSTM_CORE_ERROR_H_
#define CONVLSTM_CORE_ERROR_H_

#include <stdexcept>
#include <string>

namespace convlstm {

enum class ErrorCode { kShape, kDtype, kOption, kDevice, kDisposed, kOutOfMemory, kInternal };

// "ERR_SHAPE", "ERR_OUT_OF_MEMORY", ...: stable, part of the public face.
const char* CodeName(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace convlstm

#endif  // CONVLSTM_CORE_ERROR_H_
