#include "addon/arguments.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace convlstm::addon {
namespace {

Error Unexpected(const char* name, const std::string& expected) {
  return {ErrorCode::kOption, std::string(name) + ": expected " + expected};
}

Napi::Object ToObject(Napi::Value value) {
  if (!value.IsObject()) throw Unexpected("arguments", "an object");
  return value.As<Napi::Object>();
}

}  // namespace

double ToNumber(Napi::Value value, const char* name) {
  double number;
  if (napi_get_value_double(value.Env(), value, &number) != napi_ok) {
    throw Unexpected(name, "a number");
  }
  return number;
}

int64_t ToInteger(Napi::Value value, const char* name) {
  constexpr double kMaxInteger = 9007199254740992.0;
  const double number = ToNumber(value, name);
  if (!(std::abs(number) <= kMaxInteger) || number != std::trunc(number)) {
    throw Unexpected(name, "an integer");
  }
  return static_cast<int64_t>(number);
}

bool ToBoolean(Napi::Value value, const char* name) {
  bool boolean;
  if (napi_get_value_bool(value.Env(), value, &boolean) != napi_ok) {
    throw Unexpected(name, "a boolean");
  }
  return boolean;
}

Shape ToIntegers(Napi::Value value, const char* name) {
  constexpr uint32_t kMaxLength = 64;
  if (!value.IsArray()) throw Unexpected(name, "an array of integers");
  const auto array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  if (length > kMaxLength) throw Unexpected(name, "at most 64 integers");
  Shape integers(length);
  for (uint32_t k = 0; k < length; ++k) integers[k] = ToInteger(array.Get(k), name);
  return integers;
}

int ToChoice(Napi::Value value, const char* name, std::initializer_list<std::string_view> names) {
  char text[32];
  size_t length = 0;
  const bool is_string =
      napi_get_value_string_utf8(value.Env(), value, text, sizeof(text), &length) == napi_ok;
  int place = 0;
  for (const std::string_view candidate : names) {
    if (is_string && candidate == std::string_view(text, length)) return place;
    ++place;
  }
  std::string expected;
  for (const std::string_view candidate : names) {
    expected += (expected.empty() ? "'" : ", '") + std::string(candidate) + "'";
  }
  throw Unexpected(name, "one of " + expected);
}

Arguments::Arguments(Napi::Value value)
    : environment_(Environment::Of(value.Env())), object_(ToObject(value)) {}

std::pair<int64_t, int64_t> Arguments::IntegerPair(const char* name) const {
  const Shape integers = Integers(name);
  if (integers.size() != 2) throw Unexpected(name, "two integers");
  return {integers[0], integers[1]};
}

StoragePtr Arguments::OptionalStorage(const char* name) const {
  const Napi::Value value = Get(name);
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  return environment_.Unwrap(value, name);
}

}  // namespace convlstm::addon
