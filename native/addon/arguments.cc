#include "addon/arguments.h"

#include <cmath>
#include <string_view>

#include "core/error.h"

namespace convlstm::addon {
namespace {

Error Unexpected(const char* name, const std::string& expected) {
  return {ErrorCode::kOption, std::string(name) + ": expected " + expected};
}

double ToNumber(Napi::Value value, const char* name) {
  double number;
  if (napi_get_value_double(value.Env(), value, &number) != napi_ok) {
    throw Unexpected(name, "a number");
  }
  return number;
}

}  // namespace

int64_t ToInteger(Napi::Value value, const char* name) {
  constexpr double kMaxInteger = 9007199254740992.0;
  const double number = ToNumber(value, name);
  if (!(std::abs(number) <= kMaxInteger) || number != std::trunc(number)) {
    throw Unexpected(name, "an integer");
  }
  return static_cast<int64_t>(number);
}

ArgumentReader::ArgumentReader(const Napi::CallbackInfo& info)
    : environment_(Environment::Of(info.Env())), info_(&info) {}

ArgumentReader::ArgumentReader(Napi::Value object, const char* name)
    : environment_(Environment::Of(object.Env())) {
  if (!object.IsObject()) throw Unexpected(name, "an object");
  object_ = object.As<Napi::Object>();
}

Napi::Value ArgumentReader::Next(const char* name) {
  return info_ != nullptr ? (*info_)[next_++] : object_.Get(name);
}

void ArgumentReader::operator()(const char* name, StoragePtr& target, Nullable) {
  const Napi::Value value = Next(name);
  if (value.IsNull() || value.IsUndefined()) {
    target = nullptr;
  } else {
    target = environment_.Unwrap(value, name);
  }
}

void ArgumentReader::Read(Napi::Value value, const char* name, double& target) {
  target = ToNumber(value, name);
}
void ArgumentReader::Read(Napi::Value value, const char* name, float& target) {
  target = static_cast<float>(ToNumber(value, name));
}
void ArgumentReader::Read(Napi::Value value, const char* name, int64_t& target) {
  target = ToInteger(value, name);
}
void ArgumentReader::Read(Napi::Value value, const char* name, uint32_t& target) {
  target = static_cast<uint32_t>(ToInteger(value, name));
}
void ArgumentReader::Read(Napi::Value value, const char* name, uint64_t& target) {
  target = static_cast<uint64_t>(ToInteger(value, name));
}
void ArgumentReader::Read(Napi::Value value, const char* name, bool& target) {
  if (napi_get_value_bool(value.Env(), value, &target) != napi_ok) {
    throw Unexpected(name, "a boolean");
  }
}
void ArgumentReader::Read(Napi::Value value, const char* name, StoragePtr& target) {
  target = environment_.Unwrap(value, name);
}

void ArgumentReader::Read(Napi::Value value, const char* name, Shape& target) {
  constexpr uint32_t kMaxLength = 64;
  const Napi::Array array = ToArray(value, name);
  const uint32_t length = array.Length();
  if (length > kMaxLength) throw Unexpected(name, "at most 64 integers");
  target.resize(length);
  for (uint32_t k = 0; k < length; ++k) target[k] = ToInteger(array.Get(k), name);
}

size_t ArgumentReader::ReadChoice(Napi::Value value, const char* name,
                                  std::span<const char* const> names) {
  char text[32];
  size_t length = 0;
  const bool is_string =
      napi_get_value_string_utf8(value.Env(), value, text, sizeof(text), &length) == napi_ok;
  std::string expected;
  for (size_t k = 0; k < names.size(); ++k) {
    if (is_string && std::string_view(text, length) == names[k]) return k;
  }
  for (const char* candidate : names) {
    expected += (expected.empty() ? "'" : ", '") + std::string(candidate) + "'";
  }
  throw Unexpected(name, "one of " + expected);
}

Napi::Array ArgumentReader::ToArray(Napi::Value value, const char* name) {
  if (!value.IsArray()) throw Unexpected(name, "an array");
  return value.As<Napi::Array>();
}

void ArgumentReader::CheckCount(const char* name, const Shape& integers, size_t expected) {
  if (integers.size() != expected) {
    throw Unexpected(name, std::to_string(expected) + " integers, got " + ToString(integers));
  }
}

}  // namespace convlstm::addon
