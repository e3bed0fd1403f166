#include "cpu/tensor/rearrange.h"

#include <doctest/doctest.h>

#include "core/error.h"
#include "operations.h"
#include "operations/row_major.h"

namespace convlstm {
namespace {

template <typename Check>
bool Refused(const Check& check) {
  try {
    check();
  } catch (const Error& error) {
    return error.code() == ErrorCode::kShape || error.code() == ErrorCode::kOption;
  }
  return false;
}

std::vector<float> Counted(const Shape& shape) {
  std::vector<float> values(NumElements(shape));
  for (size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k);
  return values;
}

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("frames of all sizes are transposed") {
    cpu::ThreadPool pool(3);
    const Shape shapes[] = {{1, 1, 1},    {1, 3, 5},   {2, 64, 64}, {3, 65, 63},
                            {1, 7, 1000}, {1, 200, 3}, {0, 4, 4},   {2, 8, 4}};
    for (const Shape& shape : shapes) {
      const std::vector<float> in = Counted(shape);
      std::vector<float> out(in.size());
      cpu::TransposeFrames(shape[0], shape[1], shape[2], in.data(), out.data(), pool);
      bool right = true;
      ForEachElement(shape, [&](const std::vector<int64_t>& at) {
        right = right &&
                out[(at[0] * shape[2] + at[2]) * shape[1] + at[1]] == in[RowMajorOffset(shape, at)];
      });
      CHECK(right);
    }
  }

  TEST_CASE("permute refuses an order that is no permutation") {
    CHECK(Refused([] { Permute{nullptr, {2, 3}, {0, 0}}.Check(); }));
    CHECK(Refused([] { Permute{nullptr, {2, 3}, {0}}.Check(); }));
    CHECK(Refused([] { Permute{nullptr, {2, 3}, {0, 2}}.Check(); }));
  }

  TEST_CASE("slices and their gradients, row-major and channels-last") {
    cpu::ThreadPool pool(3);
    const Shape frames = {2, 4, 3, 5, 6};
    const ChannelsLast layout = {8, 3, 30};
    struct Case {
      SliceBounds slice;
      bool keeps_frames;
    };
    const Case cases[] = {
        {{frames, {0, 0, 0, 0, 0}, frames, {1, 1, 1, 1, 1}}, true},
        {{frames, {0, 3, 0, 0, 0}, {2, 1, 3, 5, 6}, {1, 1, 1, 1, 1}}, true},
        {{frames, {1, 0, 0, 0, 0}, {1, 2, 3, 5, 6}, {1, 2, 1, 1, 1}}, true},
        {{frames, {0, 0, 1, 0, 0}, {2, 4, 1, 5, 6}, {1, 1, 1, 1, 1}}, false},
        {{frames, {1, 1, 0, 1, 2}, {1, 2, 2, 2, 2}, {1, 2, 2, 3, 3}}, false},
        {{frames, {0, 0, 0, 0, 5}, {2, 4, 3, 5, 1}, {1, 1, 1, 1, 9}}, false},
        {{frames, {2, 0, 0, 0, 0}, {0, 4, 3, 5, 6}, {1, 1, 1, 1, 1}}, false},
        {{{720}, {7}, {90}, {7}}, false},
        {{{24, 30}, {1, 0}, {12, 30}, {2, 1}}, false},
        {{{50, 30, 60}, {1, 2, 3}, {40, 20, 50}, {1, 1, 1}}, false},
        {{{}, {}, {}, {}}, false},
    };
    for (const Case& test : cases) {
      const SliceBounds& slice = test.slice;
      const std::vector<float> values = Counted(slice.shape);
      for (const bool channels_last : {false, true}) {
        if (channels_last && values.size() != 720) continue;
        const StoragePtr in =
            channels_last ? ChannelsLastStorage(values, layout) : RowMajorStorage(values);
        const StoragePtr out = RunOnCpu(Slice{in, slice}, pool).out;
        CHECK(out->channels_last() == (channels_last && test.keeps_frames));
        std::vector<float> expected, expected_back(values.size(), 0.0f);
        ForEachElement(slice.sizes, [&](const std::vector<int64_t>& at) {
          std::vector<int64_t> from(at.size());
          for (size_t axis = 0; axis < at.size(); ++axis) {
            from[axis] = slice.starts[axis] + at[axis] * slice.steps[axis];
          }
          const int64_t place = RowMajorOffset(slice.shape, from);
          expected.push_back(values[place]);
          expected_back[place] = values[place];
        });
        CHECK(Values(*out, pool) == expected);

        const StoragePtr back = RunOnCpu(SliceBackward{out, slice}, pool).out;
        CHECK(back->channels_last() == (channels_last && test.keeps_frames));
        CHECK(Values(*back, pool) == expected_back);
      }
    }
    CHECK(Refused([] { SliceBackward{nullptr, {{4}, {1}, {2}, {3}}}.Check(); }));
    CHECK(Refused([] {
      SliceBackward{std::make_shared<Storage>(4), {{4}, {1}, {2}, {1}}}.Check();
    }));
    CHECK(Refused([] { Slice{nullptr, {{4}, {0}, {5}, {1}}}.Check(); }));
    CHECK(Refused([] { Slice{nullptr, {{4}, {1}, {2}, {3}}}.Check(); }));
    CHECK(Refused([] { Slice{nullptr, {{4}, {-1}, {2}, {1}}}.Check(); }));
    CHECK(Refused([] { Slice{nullptr, {{4}, {0}, {2}, {0}}}.Check(); }));
    CHECK(Refused([] { Slice{nullptr, {{4}, {0}, {2}, {int64_t{1} << 62}}}.Check(); }));
    CHECK(Refused([] { Slice{nullptr, {{4}, {0}, {2, 1}, {1}}}.Check(); }));
  }

  TEST_CASE("concat, row-major and channels-last") {
    cpu::ThreadPool pool(3);
    for (const int64_t axis : {0, 1, 2, 3}) {
      std::vector<Shape> shapes(3, {2, 3, 4, 5});
      shapes[1][axis] = 1;
      Shape shape = {2, 3, 4, 5};
      shape[axis] = 2 * shape[axis] + 1;
      for (const bool channels_last : {false, true}) {
        std::vector<StoragePtr> parts;
        std::vector<std::vector<float>> values;
        for (const Shape& part : shapes) {
          values.push_back(RandomValues(NumElements(part)));
          parts.push_back(channels_last ? ChannelsLastStorage(values.back(),
                                                              {part[0], part[1], part[2] * part[3]})
                                        : RowMajorStorage(values.back()));
        }
        const StoragePtr out = RunOnCpu(Concat{parts, shapes, axis}, pool).out;
        CHECK(out->channels_last() == (channels_last && axis == 0));
        std::vector<float> expected;
        ForEachElement(shape, [&](std::vector<int64_t> at) {
          size_t part = 0;
          while (at[axis] >= shapes[part][axis]) {
            at[axis] -= shapes[part++][axis];
          }
          expected.push_back(values[part][RowMajorOffset(shapes[part], at)]);
        });
        CHECK(Values(*out, pool) == expected);
      }
    }
    CHECK(Refused([] { Concat{{}, {}, 0}.Check(); }));
    CHECK(Refused([] { Concat{{nullptr, nullptr}, {{2, 3}, {2, 4}}, 0}.Check(); }));
    CHECK(Refused([] { Concat{{nullptr, nullptr}, {{2, 3}, {2}}, 0}.Check(); }));
    CHECK(Refused([] { Concat{{nullptr}, {{2, 3}}, 2}.Check(); }));
  }
}

}  // namespace convlstm
