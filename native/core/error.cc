#include "core/error.h"

namespace convlstm {

const char* CodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kShape:
      return "ERR_SHAPE";
    case ErrorCode::kDtype:
      return "ERR_DTYPE";
    case ErrorCode::kOption:
      return "ERR_OPTION";
    case ErrorCode::kDevice:
      return "ERR_DEVICE";
    case ErrorCode::kDisposed:
      return "ERR_DISPOSED";
    case ErrorCode::kOutOfMemory:
      return "ERR_OUT_OF_MEMORY";
    case ErrorCode::kInternal:
      return "ERR_INTERNAL";
  }
  return "ERR_INTERNAL";
}

}  // namespace convlstm
