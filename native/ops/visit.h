// Lists of an operation's arguments and results, written once: the addon reads arguments by them,
// Prepare (runtime/prepare.h) makes results, tests write arguments.
//
//   template <typename Visitor>
//   void VisitArguments(Visitor&& visit) {
//     visit("x", x);                  in the order of binding.d.ts
//     visit("bias", bias, kNullable);  a storage that may be null
//   }
//   template <typename Visitor>
//   void VisitResults(Visitor&& visit) {
//     visit("output", output, shape);  std::optional<Shape>; std::nullopt for a null storage
//   }
//
// An argument is a number, a boolean, an enumeration with kNames, a Shape, a StoragePtr, a tuple of
// references (an array of that length in JavaScript), a type with VisitArguments (an object), or a
// std::vector of any (an array).
#ifndef CONVLSTM_OPS_VISIT_H_
#define CONVLSTM_OPS_VISIT_H_

#include <optional>
#include <utility>
#include <vector>

#include "core/shape.h"
#include "core/storage.h"

namespace convlstm {

// Marks a storage that may be null.
struct Nullable {};
inline constexpr Nullable kNullable;

// How JavaScript passes the arguments: by position (faster), or by name in one object.
enum class Calling { kByPosition, kByName };

// The shape of a result that may not be requested.
inline std::optional<Shape> ShapeIf(bool wanted, Shape shape) {
  return wanted ? std::optional(std::move(shape)) : std::nullopt;
}

// A visitor that ignores its arguments.
struct AnyArgument {
  template <typename T>
  void operator()(const char*, T&&, Nullable = {}) {}
};
template <typename T>
concept HasArguments = requires(T value) {
  value.VisitArguments(AnyArgument());
};

// Calls visit(StoragePtr&) for every storage among the arguments of `op`, null or not.
template <typename Visitor>
class OperandVisitor {
 public:
  explicit OperandVisitor(const Visitor& visit) : visit_(visit) {}

  template <typename T>
  void operator()(const char*, T&& value, Nullable = {}) {
    Visit(value);
  }

 private:
  void Visit(StoragePtr& storage) { visit_(storage); }
  template <typename T>
  void Visit(std::vector<T>& list) {
    for (T& value : list) Visit(value);
  }
  template <typename T>
  void Visit(T& value) {
    if constexpr (HasArguments<T>) value.VisitArguments(*this);
  }

  const Visitor& visit_;
};
template <typename Op, typename Visitor>
void VisitOperands(Op& op, const Visitor& visit) {
  op.VisitArguments(OperandVisitor(visit));
}

}  // namespace convlstm

#endif  // CONVLSTM_OPS_VISIT_H_
