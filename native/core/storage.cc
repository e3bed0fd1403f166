#include "core/storage.h"

#include <utility>

namespace convlstm {

float* Storage::Allocate() {
  buffer_ = Buffer::Allocate(bytes());
  channels_last_ = false;
  return buffer_.as<float>();
}

float* Storage::AllocateChannelsLast(const ChannelsLast& layout) {
  Allocate();
  channels_last_ = true;
  layout_ = layout;
  return buffer_.as<float>();
}

const float* Storage::data() const {
  ThrowIfFailed();
  return buffer_.as<float>();
}

void Storage::ReplaceByRowMajor(Buffer buffer) {
  buffer_ = std::move(buffer);
  channels_last_ = false;
}

void Storage::ThrowIfFailed() const {
  if (error_) std::rethrow_exception(error_);
}

}  // namespace convlstm
