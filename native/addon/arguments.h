// Reads JavaScript arguments. A value of the wrong type throws Error(kOption) naming the argument.
#ifndef CONVLSTM_ADDON_ARGUMENTS_H_
#define CONVLSTM_ADDON_ARGUMENTS_H_

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "addon/environment.h"
#include "core/names.h"
#include "core/shape.h"
#include "core/storage.h"
#include "ops/visit.h"

namespace convlstm::addon {

int64_t ToInteger(Napi::Value value, const char* name);  // at most 2^53 in magnitude

// A visitor for VisitArguments (ops/visit.h).
class ArgumentReader {
 public:
  // Arguments by position.
  explicit ArgumentReader(const Napi::CallbackInfo& info);
  // Properties of an object.
  ArgumentReader(Napi::Value object, const char* name);

  template <typename T>
  void operator()(const char* name, T&& target) {
    Read(Next(name), name, target);
  }
  // null and undefined give a null storage.
  void operator()(const char* name, StoragePtr& target, Nullable);

 private:
  Napi::Value Next(const char* name);

  void Read(Napi::Value value, const char* name, double& target);
  void Read(Napi::Value value, const char* name, float& target);
  void Read(Napi::Value value, const char* name, int64_t& target);
  void Read(Napi::Value value, const char* name, uint32_t& target);
  void Read(Napi::Value value, const char* name, uint64_t& target);
  void Read(Napi::Value value, const char* name, bool& target);
  void Read(Napi::Value value, const char* name, Shape& target);
  void Read(Napi::Value value, const char* name, StoragePtr& target);
  template <typename T>
  void Read(Napi::Value value, const char* name, T& target) {
    if constexpr (HasArguments<T>) {
      target.VisitArguments(ArgumentReader(value, name));
    } else {
      target = static_cast<T>(ReadChoice(value, name, NamesOf<T>()));
    }
  }
  template <typename T>
  void Read(Napi::Value value, const char* name, std::vector<T>& target) {
    const Napi::Array array = ToArray(value, name);
    const uint32_t length = array.Length();
    for (uint32_t k = 0; k < length; ++k) Read(array.Get(k), name, target.emplace_back());
  }
  template <typename... T>
  void Read(Napi::Value value, const char* name, std::tuple<T&...>& target) {
    Shape integers;
    Read(value, name, integers);
    CheckCount(name, integers, sizeof...(T));
    std::apply([next = integers.begin()](T&... each) mutable { ((each = *next++), ...); }, target);
  }

  template <typename Enum>
  static std::span<const char* const> NamesOf() {
    static constexpr auto names = [] {
      std::array<const char*, kNames<Enum>.size()> all{};
      for (size_t k = 0; k < all.size(); ++k) all[k] = kNames<Enum>[k].name;
      return all;
    }();
    return names;
  }
  static size_t ReadChoice(Napi::Value value, const char* name, std::span<const char* const> names);
  static Napi::Array ToArray(Napi::Value value, const char* name);
  static void CheckCount(const char* name, const Shape& integers, size_t expected);

  Environment& environment_;
  const Napi::CallbackInfo* const info_ = nullptr;  // null when reading object_
  size_t next_ = 0;
  Napi::Object object_;
};

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_ARGUMENTS_H_
