// Operations that only move elements.
#ifndef CONVLSTM_OPS_REARRANGE_H_
#define CONVLSTM_OPS_REARRANGE_H_

#include <cstdint>
#include <vector>

#include "ops/visit.h"

namespace convlstm {

// Axis k of the result is axis order[k] of x.
struct Permute {
  static constexpr auto kName = "permute";
  static constexpr auto kCalling = Calling::kByPosition;

  StoragePtr x{};
  Shape shape{};  // of x
  std::vector<int64_t> order{};
  StoragePtr out{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("x", x);
    visit("shape", shape);
    visit("order", order);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, shape);
  }

  // Throws Error(kShape) unless `order` is a permutation of the axes and x has the shape's
  // elements.
  void Check() const;
};

// Element k of axis a of the part is element starts[a] + k * steps[a] of the whole.
struct SliceBounds {
  Shape shape{};  // of the whole
  std::vector<int64_t> starts{};
  std::vector<int64_t> sizes{};
  std::vector<int64_t> steps{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("shape", shape);
    visit("starts", starts);
    visit("sizes", sizes);
    visit("steps", steps);
  }

  // Throws Error(kShape) if the part exceeds the whole, Error(kOption) for a step below 1. Clamps
  // steps to their axis: longer ones are never taken, and could overflow.
  void Check();
};

struct Slice {
  static constexpr auto kName = "slice";
  static constexpr auto kCalling = Calling::kByPosition;

  StoragePtr x{};  // the whole
  SliceBounds bounds{};
  StoragePtr out{};  // the part

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("x", x);
    bounds.VisitArguments(visit);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, bounds.sizes);
  }
  void Check();
};

// Gradient of Slice's x: `grad` at the part's elements, 0 elsewhere.
struct SliceBackward {
  static constexpr auto kName = "sliceBackward";
  static constexpr auto kCalling = Calling::kByPosition;

  StoragePtr grad{};  // of the part
  SliceBounds bounds{};
  StoragePtr out{};  // of the whole

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("grad", grad);
    bounds.VisitArguments(visit);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, bounds.shape);
  }
  void Check();
};

// Concatenates parts along `axis`.
struct Concat {
  static constexpr auto kName = "concat";
  static constexpr auto kCalling = Calling::kByPosition;

  std::vector<StoragePtr> parts{};
  std::vector<Shape> shapes{};  // of the parts; equal except along `axis`
  int64_t axis = 0;
  StoragePtr out{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("parts", parts);
    visit("shapes", shapes);
    visit("axis", axis);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, out_shape());
  }

  Shape out_shape() const;  // requires valid shapes and axis

  // Throws Error(kShape) unless there are parts that fit together, each with its shape's elements.
  void Check() const;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_REARRANGE_H_
