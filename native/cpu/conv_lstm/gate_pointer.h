// A pointer to saved gates, or to the deltas that the backward pass leaves in their place.
#ifndef CONVLSTM_CPU_CONV_LSTM_GATE_POINTER_H_
#define CONVLSTM_CPU_CONV_LSTM_GATE_POINTER_H_

#include <cstdint>

#include "ops/conv_lstm.h"

namespace convlstm::cpu {

constexpr int64_t GateBytes(SavedFormat format) { return format == SavedFormat::k16Bits ? 2 : 4; }

// A pointer whose element type depends on the format; may be null.
class GatePointer {
 public:
  GatePointer() = default;
  GatePointer(void* at, SavedFormat format) : at_(static_cast<char*>(at)), format_(format) {}

  explicit operator bool() const { return at_ != nullptr; }
  SavedFormat format() const { return format_; }
  // T: float, or with k16Bits int16_t for gates and uint16_t, a bfloat16, for deltas.
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(at_);
  }
  friend GatePointer operator+(GatePointer pointer, int64_t gates) {
    return {pointer.at_ + gates * GateBytes(pointer.format_), pointer.format_};
  }

 private:
  char* at_ = nullptr;
  SavedFormat format_ = SavedFormat::kFloat32;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_GATE_POINTER_H_
