// Fill, Bernoulli, Unary, UnaryBackward, Binary.
#include <cmath>
#include <limits>

#include "operations/cases.h"
#include "operations/philox.h"
#include "operations/row_major.h"

namespace convlstm {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr float kSlope = 0.1f;  // of leakyRelu
constexpr int64_t kCount = 3001;

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double Reference(UnaryOp op, double x) {
  switch (op) {
    case UnaryOp::kNeg:
      return -x;
    case UnaryOp::kAbs:
      return std::abs(x);
    case UnaryOp::kExp:
      return std::exp(x);
    case UnaryOp::kLog:
      return std::log(x);
    case UnaryOp::kSqrt:
      return std::sqrt(x);
    case UnaryOp::kSigmoid:
      return Sigmoid(x);
    case UnaryOp::kTanh:
      return std::tanh(x);
    case UnaryOp::kRelu:
      return x > 0 ? x : 0;
    case UnaryOp::kLeakyRelu:
      return x > 0 ? x : kSlope * x;
    case UnaryOp::kSquare:
      return x * x;
    case UnaryOp::kSoftplus:
      return std::log1p(std::exp(x));
  }
  return kNaN;
}

// Whether UnaryBackward's `saved` is the result, not the operand.
bool SavesResult(UnaryOp op) {
  return op == UnaryOp::kExp || op == UnaryOp::kSqrt || op == UnaryOp::kSigmoid ||
         op == UnaryOp::kTanh || op == UnaryOp::kRelu;
}

bool OfPositive(UnaryOp op) { return op == UnaryOp::kLog || op == UnaryOp::kSqrt; }

// No value is closer to 0 than 0.01, where some derivatives jump.
std::vector<float> Operands(UnaryOp op, std::mt19937& random) {
  std::vector<float> values = Normal(random, kCount, 2);
  for (float& value : values) {
    value = std::copysign(std::abs(value) + 0.01f, OfPositive(op) ? 1.0f : value);
  }
  return values;
}

void AddUnary(UnaryOp op, std::mt19937& random, Cases& cases) {
  std::vector<float> x = Operands(op, random);
  Expected gradient;
  std::vector<float> saved, grad = Normal(random, kCount);
  for (int64_t k = 0; k < kCount; ++k) {
    const double at = x[k], step = 1e-5;
    const double derivative =
        (Reference(op, at + step) - Reference(op, at - step)) / (2 * step);
    saved.push_back(SavesResult(op) ? static_cast<float>(Reference(op, at)) : x[k]);
    // The second term is the rounding of a saved result.
    gradient.Add(derivative * grad[k],
                 1e-6 * std::abs(derivative * grad[k]) + 2e-7 * std::abs(grad[k]));
  }
  if (op == UnaryOp::kAbs || op == UnaryOp::kRelu || op == UnaryOp::kLeakyRelu) {
    saved.push_back(0);
    grad.push_back(2);
    gradient.Add(op == UnaryOp::kLeakyRelu ? 2 * kSlope : 0, 0);
  }
  const std::string name = NameOf(op);
  cases.push_back({"gradient of " + name,
                   UnaryBackward{op, Operand(saved), Operand(grad), kSlope},
                   {gradient}});

  for (const float special : {0.0f, -0.0f, kInfinity, -kInfinity, static_cast<float>(kNaN)}) {
    x.push_back(special);
  }
  Expected result;
  for (const float value : x) {
    const double y = std::isnan(value) ? kNaN : Reference(op, value);
    result.Add(y, std::isfinite(y) ? 1e-6 * std::abs(y) : 0);
  }
  cases.push_back({name, Unary{op, Operand(x), kSlope}, {result}});
}

double Reference(BinaryOp op, double a, double b) {
  const bool either_nan = std::isnan(a) || std::isnan(b);
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSub:
      return a - b;
    case BinaryOp::kMul:
      return a * b;
    case BinaryOp::kDiv:
      return a / b;
    case BinaryOp::kMaximum:
      return either_nan ? kNaN : std::max(a, b);
    case BinaryOp::kMinimum:
      return either_nan ? kNaN : std::min(a, b);
    case BinaryOp::kGreater:
      return a > b ? 1 : 0;
    case BinaryOp::kEqual:
      return a == b ? 1 : 0;
  }
  return kNaN;
}

// Of the element of an operand that meets element `at` of the result.
int64_t BroadcastOffset(const Shape& shape, const std::vector<int64_t>& at) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const int64_t k = at[at.size() - shape.size() + axis];
    offset = offset * shape[axis] + (shape[axis] == 1 ? 0 : k);
  }
  return offset;
}

void AddBinary(BinaryOp op, const Shape& a_shape, const Shape& b_shape, const Shape& out_shape,
               std::mt19937& random, Cases& cases) {
  std::vector<float> a = Normal(random, NumElements(a_shape));
  std::vector<float> b = Normal(random, NumElements(b_shape));
  if (a.size() > 2) a[2] = static_cast<float>(kNaN);
  if (b.size() > 1 && !a.empty()) b[1] = a[0];
  if (b.size() > 4) b[4] = 0;
  Expected result;
  ForEachElement(out_shape, [&](const std::vector<int64_t>& at) {
    const float x = a[BroadcastOffset(a_shape, at)], y = b[BroadcastOffset(b_shape, at)];
    const double value = Reference(op, x, y);
    result.Add(value, std::isfinite(value) ? 1e-7 * std::abs(value) : 0);
  });
  cases.push_back({std::string(NameOf(op)) + ' ' + ToString(a_shape) + ", " + ToString(b_shape),
                   Binary{op, Operand(a), a_shape, Operand(b), b_shape, out_shape},
                   {result}});
}

void AddBernoulli(const BernoulliMask& mask, int64_t length, Cases& cases) {
  Expected result;
  for (int64_t n = 0; n < length; ++n) {
    const uint64_t counter = mask.counter + n / 4;
    const auto words =
        Philox({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0},
               mask.key0, mask.key1);
    result.Add((words[n % 4] >> 8) / 0x1p24 < mask.probability ? mask.value : 0, 0);
  }
  cases.push_back({"bernoulli " + std::to_string(mask.probability) + ", " + std::to_string(length),
                   Bernoulli{length, mask},
                   {result}});
}

}  // namespace

void AddElementwiseCases(Cases& cases) {
  std::mt19937 random(1);
  for (const int64_t length : {int64_t{0}, int64_t{1}, kCount}) {
    const std::vector<double> values(length, 1.5), bounds(length, 0);
    cases.push_back({"fill " + std::to_string(length), Fill{length, 1.5f}, {{values, bounds}}});
  }
  for (const BernoulliMask& mask :
       {BernoulliMask{0.5, 2.0f, 1, 2, 0},
        BernoulliMask{0.9, 1 / 0.9f, 0xffffffff, 0x80000000, 0xfffffffa},
        BernoulliMask{1e-3, -1.0f, 7, 0, uint64_t{1} << 52}, BernoulliMask{0, 3, 5, 6, 7},
        BernoulliMask{1, 3, 5, 6, 7}}) {
    for (const int64_t length : {0, 1, 4, 5, 257, 1023}) AddBernoulli(mask, length, cases);
  }
  for (const auto& [op, name] : kNames<UnaryOp>) AddUnary(op, random, cases);
  for (const auto& [op, name] : kNames<BinaryOp>) {
    AddBinary(op, {}, {}, {}, random, cases);
    AddBinary(op, {}, {1}, {2, 35}, random, cases);
    AddBinary(op, {3, 1}, {}, {2, 3, 4}, random, cases);
    AddBinary(op, {3, 5, 37}, {3, 5, 37}, {3, 5, 37}, random, cases);
    AddBinary(op, {2, 1, 37}, {3, 1}, {2, 3, 37}, random, cases);
    AddBinary(op, {3, 1, 2, 1, 2}, {1, 4, 1, 3, 1}, {3, 4, 2, 3, 2}, random, cases);
    AddBinary(op, {64, 1, 33}, {33}, {64, 1, 33}, random, cases);
    AddBinary(op, {0, 3}, {3}, {0, 3}, random, cases);
    AddBinary(op, {2, 1, 2, 1, 2, 1, 2, 1}, {1, 2, 1, 2, 1, 2, 1, 2}, Shape(8, 2), random, cases);
  }
}

}  // namespace convlstm
