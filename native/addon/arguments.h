// Values of JavaScript, checked: each reader throws Error(kOption) naming the argument when it is
// not what it should be.
#ifndef CONVLSTM_ADDON_ARGUMENTS_H_
#define CONVLSTM_ADDON_ARGUMENTS_H_

#include <napi.h>

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "addon/environment.h"
#include "core/shape.h"
#include "core/storage.h"

namespace convlstm::addon {

double ToNumber(Napi::Value value, const char* name);
int64_t ToInteger(Napi::Value value, const char* name);  // at most 2^53 in magnitude
bool ToBoolean(Napi::Value value, const char* name);
Shape ToIntegers(Napi::Value value, const char* name);  // an array

// The place of the string in `names`.
int ToChoice(Napi::Value value, const char* name, std::initializer_list<std::string_view> names);

// As above with the enumeration whose values are in the order of `names`.
template <typename Enum>
Enum ToEnum(Napi::Value value, const char* name, std::initializer_list<std::string_view> names) {
  return static_cast<Enum>(ToChoice(value, name, names));
}

// Properties of an object of arguments.
class Arguments {
 public:
  explicit Arguments(Napi::Value value);

  double Number(const char* name) const { return ToNumber(Get(name), name); }
  int64_t Integer(const char* name) const { return ToInteger(Get(name), name); }
  bool Boolean(const char* name) const { return ToBoolean(Get(name), name); }
  Shape Integers(const char* name) const { return ToIntegers(Get(name), name); }
  std::pair<int64_t, int64_t> IntegerPair(const char* name) const;
  template <typename Enum>
  Enum Choice(const char* name, std::initializer_list<std::string_view> names) const {
    return ToEnum<Enum>(Get(name), name, names);
  }
  StoragePtr RequiredStorage(const char* name) const {
    return environment_.Unwrap(Get(name), name);
  }
  StoragePtr OptionalStorage(const char* name) const;  // null for null
  Arguments Object(const char* name) const { return Arguments(Get(name)); }

 private:
  Napi::Value Get(const char* name) const { return object_.Get(name); }

  Environment& environment_;
  Napi::Object object_;
};

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_ARGUMENTS_H_
