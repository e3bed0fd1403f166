// Permute, Slice, SliceBackward, Concat: elements are moved, so that nothing may differ.
#include "operations/cases.h"
#include "operations/row_major.h"

namespace convlstm {
namespace {

Expected Exactly(const std::vector<float>& values) {
  return {{values.begin(), values.end()}, std::vector<double>(values.size(), 0)};
}

void AddPermute(const Shape& shape, const std::vector<int64_t>& order, Cases& cases) {
  const std::vector<float> x = Counted(NumElements(shape));
  Shape out_shape;
  for (const int64_t axis : order) out_shape.push_back(shape[axis]);
  std::vector<float> out;
  ForEachElement(out_shape, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> from(at.size());
    for (size_t axis = 0; axis < at.size(); ++axis) from[order[axis]] = at[axis];
    out.push_back(x[RowMajorOffset(shape, from)]);
  });
  cases.push_back({"permute " + ToString(shape) + " by " + ToString(order),
                   Permute{Operand(x), shape, order},
                   {Exactly(out)}});
}

void AddSlice(const SliceBounds& bounds, Cases& cases) {
  const std::vector<float> x = Counted(NumElements(bounds.shape));
  std::vector<float> part, gradient(x.size(), 0);
  ForEachElement(bounds.sizes, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> from(at.size());
    for (size_t axis = 0; axis < at.size(); ++axis) {
      from[axis] = bounds.starts[axis] + at[axis] * bounds.steps[axis];
    }
    const int64_t k = RowMajorOffset(bounds.shape, from);
    part.push_back(x[k]);
    gradient[k] = x[k];
  });
  const std::string name = "slice of " + ToString(bounds.shape) + " from " +
                           ToString(bounds.starts) + ", steps " + ToString(bounds.steps);
  cases.push_back({name, Slice{Operand(x), bounds}, {Exactly(part)}});
  cases.push_back(
      {"gradient of " + name, SliceBackward{Operand(part), bounds}, {Exactly(gradient)}});
}

void AddConcat(Shape shape, int64_t axis, const std::vector<int64_t>& lengths,
               std::mt19937& random, Cases& cases) {
  Concat concat{{}, {}, axis};
  std::vector<std::vector<float>> parts;
  for (const int64_t length : lengths) {
    shape[axis] = length;
    parts.push_back(Normal(random, NumElements(shape)));
    concat.parts.push_back(Operand(parts.back()));
    concat.shapes.push_back(shape);
  }
  std::vector<float> out;
  ForEachElement(concat.out_shape(), [&](std::vector<int64_t> at) {
    size_t part = 0;
    while (at[axis] >= lengths[part]) at[axis] -= lengths[part++];
    out.push_back(parts[part][RowMajorOffset(concat.shapes[part], at)]);
  });
  const std::string name = "concat to " + ToString(concat.out_shape());
  cases.push_back({name + ", axis " + std::to_string(axis), std::move(concat), {Exactly(out)}});
}

}  // namespace

void AddRearrangeCases(Cases& cases) {
  std::mt19937 random(3);
  AddPermute({}, {}, cases);
  AddPermute({5}, {0}, cases);
  AddPermute({70, 65}, {1, 0}, cases);
  AddPermute({2, 3, 4}, {0, 1, 2}, cases);
  AddPermute({5, 4, 3}, {2, 0, 1}, cases);
  AddPermute({2, 10, 6, 9, 8}, {1, 0, 2, 3, 4}, cases);
  AddPermute({2, 3, 9, 8}, {0, 2, 3, 1}, cases);
  AddPermute({3, 33, 2, 34}, {2, 3, 0, 1}, cases);
  AddPermute({1, 4, 1, 5}, {3, 2, 1, 0}, cases);
  AddPermute({0, 4, 5}, {2, 1, 0}, cases);
  AddPermute({2, 1, 3, 2, 1, 2, 3, 2}, {7, 2, 0, 5, 4, 1, 6, 3}, cases);

  AddSlice({{}, {}, {}, {}}, cases);
  AddSlice({{7}, {2}, {5}, {1}}, cases);
  AddSlice({{7}, {1}, {2}, {4}}, cases);
  AddSlice({{7}, {3}, {0}, {1}}, cases);
  AddSlice({{720}, {7}, {90}, {7}}, cases);
  AddSlice({{24, 30}, {1, 0}, {12, 30}, {2, 1}}, cases);
  AddSlice({{3, 5, 7, 9}, {1, 0, 0, 2}, {2, 2, 4, 3}, {1, 3, 2, 2}}, cases);
  AddSlice({{2, 6, 3, 4}, {0, 1, 0, 0}, {2, 3, 3, 4}, {1, 2, 1, 1}}, cases);
  AddSlice({{2, 6, 3, 4}, {0, 2, 0, 0}, {2, 3, 3, 4}, {1, 1, 1, 1}}, cases);
  AddSlice({{2, 4, 3, 5, 6}, {0, 0, 0, 0, 5}, {2, 4, 3, 5, 1}, {1, 1, 1, 1, 9}}, cases);
  AddSlice({{2, 1, 1, 3, 2, 1, 2, 2},
            {0, 0, 0, 0, 0, 0, 1, 0},
            {2, 1, 1, 2, 2, 1, 1, 2},
            {1, 1, 1, 2, 1, 1, 1, 1}},
           cases);

  for (const int64_t axis : {0, 1, 2, 3}) AddConcat({2, 3, 4, 5}, axis, {3, 1, 2}, random, cases);
  AddConcat({2, 3}, 1, {4}, random, cases);
  AddConcat({2, 3}, 0, {0, 2, 0}, random, cases);
}

}  // namespace convlstm
