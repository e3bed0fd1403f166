#include "core/storage.h"

#include <utility>

namespace convlstm {

float* Storage::Allocate() {
  buffer_ = std::make_shared<const Buffer>(memory_->Allocate(bytes()));
  channels_last_ = false;
  uniform_ = false;
  return buffer_->as<float>();
}

float* Storage::AllocateUniform() {
  Allocate();
  uniform_ = true;
  return buffer_->as<float>();
}

float* Storage::AllocateChannelsLast(const ChannelsLast& layout) {
  Allocate();
  channels_last_ = true;
  layout_ = layout;
  return buffer_->as<float>();
}

const float* Storage::data() const {
  ThrowIfFailed();
  return buffer_ == nullptr ? nullptr : buffer_->as<float>();
}

float* Storage::mutable_data() {
  ThrowIfFailed();
  uniform_ = false;
  derived_.clear();
  return buffer_ == nullptr ? nullptr : buffer_->as<float>();
}

void Storage::ShareElements(const Storage& other) {
  other.ThrowIfFailed();
  buffer_ = other.buffer_;
  channels_last_ = other.channels_last_;
  uniform_ = other.uniform_;
  layout_ = other.layout_;
}

void Storage::ReplaceByRowMajor(Buffer buffer) {
  buffer_ = std::make_shared<const Buffer>(std::move(buffer));
  channels_last_ = false;
}

void Storage::ReplaceByChannelsLast(Buffer buffer, const ChannelsLast& layout) {
  buffer_ = std::make_shared<const Buffer>(std::move(buffer));
  channels_last_ = true;
  layout_ = layout;
}

void Storage::ThrowIfFailed() const {
  if (error_) std::rethrow_exception(error_);
}

}  // namespace convlstm
