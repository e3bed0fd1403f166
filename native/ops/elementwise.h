// Elementwise operations; binary ones broadcast as NumPy's.
#ifndef CONVLSTM_OPS_ELEMENTWISE_H_
#define CONVLSTM_OPS_ELEMENTWISE_H_

#include "core/names.h"
#include "ops/visit.h"

namespace convlstm {

enum class UnaryOp {
  kNeg,
  kAbs,
  kExp,
  kLog,
  kSqrt,
  kSigmoid,
  kTanh,
  kRelu,
  kLeakyRelu,
  kSquare,
  kSoftplus
};
template <>
inline constexpr auto kNames<UnaryOp> = NamesInOrder<UnaryOp>({{UnaryOp::kNeg, "neg"},
                                                               {UnaryOp::kAbs, "abs"},
                                                               {UnaryOp::kExp, "exp"},
                                                               {UnaryOp::kLog, "log"},
                                                               {UnaryOp::kSqrt, "sqrt"},
                                                               {UnaryOp::kSigmoid, "sigmoid"},
                                                               {UnaryOp::kTanh, "tanh"},
                                                               {UnaryOp::kRelu, "relu"},
                                                               {UnaryOp::kLeakyRelu, "leakyRelu"},
                                                               {UnaryOp::kSquare, "square"},
                                                               {UnaryOp::kSoftplus, "softplus"}});

// kMaximum and kMinimum give NaN where either operand is NaN, kGreater and kEqual 0.
enum class BinaryOp { kAdd, kSub, kMul, kDiv, kMaximum, kMinimum, kGreater, kEqual };
template <>
inline constexpr auto kNames<BinaryOp> = NamesInOrder<BinaryOp>({{BinaryOp::kAdd, "add"},
                                                                 {BinaryOp::kSub, "sub"},
                                                                 {BinaryOp::kMul, "mul"},
                                                                 {BinaryOp::kDiv, "div"},
                                                                 {BinaryOp::kMaximum, "maximum"},
                                                                 {BinaryOp::kMinimum, "minimum"},
                                                                 {BinaryOp::kGreater, "greater"},
                                                                 {BinaryOp::kEqual, "equal"}});

struct Fill {
  static constexpr auto kName = "fill";
  static constexpr auto kCalling = Calling::kByPosition;

  int64_t length = 0;
  float value = 0;
  StoragePtr out{};  // [length]

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("length", length);
    visit("value", value);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, Shape{length});
  }
  void Check() const {}
};

struct Unary {
  static constexpr auto kName = "unary";
  static constexpr auto kCalling = Calling::kByPosition;

  UnaryOp op{};
  StoragePtr x{};
  float alpha = 0;   // the negative slope of kLeakyRelu
  StoragePtr out{};  // shaped like x

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("op", op);
    visit("x", x);
    visit("alpha", alpha);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, Shape{x->elements()});
  }
  void Check() const {}
};

struct UnaryBackward {
  static constexpr auto kName = "unaryBackward";
  static constexpr auto kCalling = Calling::kByPosition;

  UnaryOp op{};
  // The result for kExp, kSqrt, kSigmoid, kTanh and kRelu, the operand for the others; unread for
  // kNeg.
  StoragePtr saved{};
  StoragePtr grad{};  // of the result
  float alpha = 0;
  StoragePtr out{};  // gradient of the operand, shaped like grad

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("op", op);
    visit("saved", saved);
    visit("grad", grad);
    visit("alpha", alpha);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, Shape{grad->elements()});
  }

  // Throws Error(kShape) unless saved and grad have the same number of elements.
  void Check() const;
};

struct Binary {
  static constexpr auto kName = "binary";
  static constexpr auto kCalling = Calling::kByPosition;

  BinaryOp op{};
  StoragePtr a{};
  Shape a_shape{};
  StoragePtr b{};
  Shape b_shape{};
  Shape out_shape{};  // both operands broadcast to it
  StoragePtr out{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("op", op);
    visit("a", a);
    visit("aShape", a_shape);
    visit("b", b);
    visit("bShape", b_shape);
    visit("outShape", out_shape);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, out_shape);
  }

  // Throws Error(kShape) unless both operands have their shapes' elements and broadcast to
  // out_shape.
  void Check() const;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_ELEMENTWISE_H_
