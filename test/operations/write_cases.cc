// Writes the cases as JSON for test/parity/operations.test.ts:
//
//   [{ "name", "operation", "arguments": [...], "results": [{ "name", "values", "bounds" }, ...] }]
//
// `operation` and `arguments` are a function of Backend (binding.d.ts) and what it is called with; a
// Storage there is { "float32": hex }. Values and bounds are float64 in hex, little-endian, or null.
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/names.h"
#include "operations/cases.h"

namespace convlstm {
namespace {

template <typename T>
std::string Hex(const std::vector<T>& values) {
  std::vector<unsigned char> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string text = "\"";
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text + '"';
}

std::string Quoted(const std::string& text) { return '"' + text + '"'; }

void Append(std::string& list, const std::string& item) {
  if (!list.empty()) list += ',';
  list += item;
}

// The arguments that it visits, as JSON: an object, or an array of the values.
class ArgumentWriter {
 public:
  template <typename Arguments>
  static std::string Written(Arguments& arguments, bool named) {
    ArgumentWriter writer(named);
    arguments.VisitArguments(writer);
    return named ? '{' + writer.text_ + '}' : '[' + writer.text_ + ']';
  }

  template <typename T>
  void operator()(const char* name, T&& value, Nullable = {}) {
    Append(text_, named_ ? Quoted(name) + ':' + Json(value) : Json(value));
  }

 private:
  explicit ArgumentWriter(bool named) : named_(named) {}

  static std::string Json(StoragePtr& storage) {
    return storage == nullptr ? "null" : "{\"float32\":" + Hex(Elements(*storage)) + '}';
  }

  template <typename T>
  static std::string Json(std::vector<T>& list) {
    std::string text;
    for (T& value : list) Append(text, Json(value));
    return '[' + text + ']';
  }

  template <typename... T>
  static std::string Json(std::tuple<T...>& values) {
    std::string text;
    std::apply([&](auto&... value) { (Append(text, Json(value)), ...); }, values);
    return '[' + text + ']';
  }

  template <typename T>
  static std::string Json(T& value) {
    using Value = std::remove_const_t<T>;
    if constexpr (std::is_same_v<Value, bool>) {
      return value ? "true" : "false";
    } else if constexpr (std::is_enum_v<Value>) {
      return Quoted(NameOf(value));
    } else if constexpr (std::is_integral_v<Value>) {
      return std::to_string(value);
    } else if constexpr (std::is_floating_point_v<Value>) {
      char text[32];
      std::snprintf(text, sizeof text, "%.17g", static_cast<double>(value));
      return text;
    } else {
      return Written(value, true);
    }
  }

  bool named_;
  std::string text_;
};

std::string Written(OperationCase& test) {
  return std::visit(
      [&](auto& op) {
        using Op = std::remove_reference_t<decltype(op)>;
        constexpr bool kNamed = Op::kCalling == Calling::kByName;
        std::string arguments = ArgumentWriter::Written(op, kNamed);
        if (kNamed) arguments = '[' + arguments + ']';
        std::string results;
        size_t k = 0;
        op.VisitResults([&](const char* name, StoragePtr&, const std::optional<Shape>& shape) {
          const Expected& expected = test.results[k++];
          Append(results, "{\"name\":" + Quoted(name) +
                              ",\"values\":" + (shape ? Hex(expected.values) : "null") +
                              ",\"bounds\":" + (shape ? Hex(expected.bounds) : "null") + '}');
        });
        return "{\"name\":" + Quoted(test.name) + ",\"operation\":" + Quoted(Op::kName) +
               ",\"arguments\":" + arguments + ",\"results\":[" + results + "]}";
      },
      test.operation);
}

}  // namespace
}  // namespace convlstm

int main() {
  convlstm::Cases cases = convlstm::AllCases();
  std::string text;
  for (convlstm::OperationCase& test : cases) {
    convlstm::Append(text, convlstm::Written(test));
  }
  std::printf("[%s]\n", text.c_str());
  return 0;
}
