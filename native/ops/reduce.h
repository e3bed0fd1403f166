#ifndef CONVLSTM_OPS_REDUCE_H_
#define CONVLSTM_OPS_REDUCE_H_

#include <cstdint>
#include <vector>

#include "core/names.h"
#include "ops/visit.h"

namespace convlstm {

// kMax gives NaN where any element is NaN.
enum class ReduceOp { kSum, kMean, kMax };
template <>
inline constexpr auto kNames<ReduceOp> = NamesInOrder<ReduceOp>({{ReduceOp::kSum, "sum"},
                                                                 {ReduceOp::kMean, "mean"},
                                                                 {ReduceOp::kMax, "max"}});

struct Reduce {
  static constexpr auto kName = "reduce";
  static constexpr auto kCalling = Calling::kByPosition;

  ReduceOp op{};
  StoragePtr x{};
  Shape shape{};
  std::vector<int64_t> axes{};  // ascending
  StoragePtr out{};             // the other axes

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("op", op);
    visit("x", x);
    visit("shape", shape);
    visit("axes", axes);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("out", out, out_shape());
  }

  bool reduces(size_t axis) const;
  Shape out_shape() const;

  // Throws Error(kShape) unless x has the shape's elements and `axes` are ascending axes of it, and
  // for kMax of no elements into a result.
  void Check() const;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_REDUCE_H_
