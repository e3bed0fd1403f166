// Reduce.
#include <cmath>
#include <limits>

#include "operations/cases.h"
#include "operations/row_major.h"

namespace convlstm {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double Reference(ReduceOp op, const std::vector<double>& values) {
  double sum = 0, largest = -std::numeric_limits<double>::infinity();
  for (const double value : values) {
    sum += value;
    largest = std::isnan(value) || std::isnan(largest) ? kNaN : std::max(largest, value);
  }
  switch (op) {
    case ReduceOp::kSum:
      return sum;
    case ReduceOp::kMean:
      return sum / static_cast<double>(values.size());
    case ReduceOp::kMax:
      return largest;
  }
  return kNaN;
}

void AddReduce(ReduceOp op, const Shape& shape, const std::vector<int64_t>& axes,
               std::mt19937& random, Cases& cases) {
  std::vector<float> x = Normal(random, NumElements(shape));
  if (x.size() > 100) x[40] = std::numeric_limits<float>::quiet_NaN();
  Reduce reduce{op, Operand(x), shape, axes};
  const Shape out_shape = reduce.out_shape();
  std::vector<std::vector<double>> groups(NumElements(out_shape));
  int64_t k = 0;
  ForEachElement(shape, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> kept;
    for (size_t axis = 0; axis < at.size(); ++axis) {
      if (!reduce.reduces(axis)) kept.push_back(at[axis]);
    }
    groups[RowMajorOffset(out_shape, kept)].push_back(x[k++]);
  });
  Expected result;
  for (const std::vector<double>& group : groups) {
    double magnitude = 0;
    for (const double value : group) magnitude += std::abs(value);
    if (op == ReduceOp::kMean) magnitude /= static_cast<double>(group.size());
    const double value = Reference(op, group);
    result.Add(value, op == ReduceOp::kMax || std::isnan(value) ? 0 : 5e-7 * magnitude);
  }
  cases.push_back({std::string(NameOf(op)) + " of " + ToString(shape) + ", axes " + ToString(axes),
                   std::move(reduce),
                   {result}});
}

}  // namespace

void AddReduceCases(Cases& cases) {
  std::mt19937 random(2);
  for (const auto& [op, name] : kNames<ReduceOp>) {
    AddReduce(op, {}, {}, random, cases);
    AddReduce(op, {1}, {0}, random, cases);
    for (const std::vector<int64_t>& axes :
         {std::vector<int64_t>{}, {0}, {3}, {1, 3}, {2, 3}, {0, 1, 2, 3}}) {
      AddReduce(op, {3, 5, 7, 9}, axes, random, cases);
    }
    AddReduce(op, {2, 30, 80}, {1}, random, cases);
    AddReduce(op, {9000}, {0}, random, cases);
    AddReduce(op, {0, 3}, {1}, random, cases);
  }
  AddReduce(ReduceOp::kSum, {0, 3}, {0}, random, cases);
}

}  // namespace convlstm
