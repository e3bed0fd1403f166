// Operations that move elements and compute nothing.
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

  // Throws Error(kShape) unless `order` is a permutation of the axes and x has its elements.
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

  // Throws Error(kShape) for a part that leaves the whole, Error(kOption) for a step below 1.
  // Shortens steps that are longer than their axis: they are never taken, and could overflow.
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

// The gradient of Slice's x: `grad` where the part was taken from, else 0.
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

// Parts one after another along `axis`.
struct Concat {
  static constexpr auto kName = "concat";
  static constexpr auto kCalling = Calling::kByPosition;

  std::vector<StoragePtr> parts{};
  std::vector<Shape> shapes{};  // of the parts; equal but for `axis`
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

  Shape out_shape() const;  // of parts that Check lets pass

  // Throws Error(kShape) unless there are parts, each with the elements of its shape.
  void Check() const;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_REARRANGE_H_
